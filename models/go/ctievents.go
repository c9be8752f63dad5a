// Package ctievents has a type for the data of each event that cti-bridge publishes.
//
// A PBX or a bridge may be newer than the types: fields that they lack are ignored, and a text may have a value that is not listed.
package ctievents

import "encoding/json"

// Parse decodes the data of an event into a pointer to its type, such as *ExtenUpdate for "cti.event.extenUpdate.v1". ceType is the
// CloudEvents attribute type. It returns nil for a type that this version does not know.
func Parse(ceType string, data []byte) (any, error) {
	construct, known := types[ceType]
	if !known {
		return nil, nil
	}
	value := construct()
	if err := json.Unmarshal(data, value); err != nil {
		return nil, err
	}
	return value, nil
}
