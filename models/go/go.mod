module git.example.org/cti-bridge/models/go

go 1.24
