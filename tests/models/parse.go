// Parses each case with its Go type: `parse CASES`.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"

	ctievents "git.example.org/cti-bridge/models/go"
)

type testCase struct {
	Kind, Stem, Type, Name string
	Data                   json.RawMessage
}

// isComplete reports whether b has every field of a, at any depth. A null field may be absent from b.
func isComplete(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		object, same := b.(map[string]any)
		for key, value := range a {
			same = same && (value == nil || isComplete(value, object[key]))
		}
		return same
	case []any:
		array, same := b.([]any)
		same = same && len(a) == len(array)
		for i := 0; same && i < len(a); i++ {
			same = isComplete(a[i], array[i])
		}
		return same
	default:
		return a == b
	}
}

// check returns why a case is not parsed as its type, completely; nil if it is.
func check(c testCase) error {
	value, err := ctievents.Parse(c.Type, c.Data)
	if err != nil {
		return err
	}
	if name := reflect.TypeOf(value).Elem().Name(); name != c.Name {
		return fmt.Errorf("it is a %s", name)
	}
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	var was, is any
	if err := json.Unmarshal(c.Data, &was); err != nil {
		return err
	}
	if err := json.Unmarshal(text, &is); err != nil {
		return err
	}
	if c.Kind != "future" && !isComplete(was, is) {
		return fmt.Errorf("%s becomes %s", c.Data, text)
	}
	return nil
}

func main() {
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		panic(err)
	}
	var cases []testCase
	if err := json.Unmarshal(text, &cases); err != nil {
		panic(err)
	}
	failed := 0
	for _, c := range cases {
		if err := check(c); err != nil {
			failed++
			fmt.Fprintf(os.Stderr, "%s, %s: %v\n", c.Stem, c.Kind, err)
		}
	}
	if value, err := ctievents.Parse("cti.event.later.v1", []byte("{}")); value != nil || err != nil {
		panic("an unknown type has a value")
	}
	fmt.Printf("Go: %d, %d failed\n", len(cases), failed)
	if failed > 0 {
		os.Exit(1)
	}
}
