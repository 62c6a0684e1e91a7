package standing

import (
	"encoding/json"
	"strings"
	"testing"
)

// FuzzParse reads any state.json. What is read is written and read again as
// the same, and nothing of it makes its users panic.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"version":1,"acts":{"a":{"action":"block","outcome":"done","until":"2026-11-03T00:00:00Z"}},"episodes":{"e":{}}}`))
	f.Add([]byte(`{"version":1,"acts":{"a":null},"episodes":null}`))
	f.Add([]byte(`{"version":99999999999}`))
	f.Add([]byte(`{"version":2}`))
	f.Add([]byte("{\"acts\":{\"\\u202e\\u0000\":{\"lifted\":\"0000-01-01T00:00:00Z\"}},\"acts\":{}}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := parse(data)
		if err != nil {
			if s != nil || strings.TrimSpace(err.Error()) == "" {
				t.Fatalf("an error with a state: %v", err)
			}
			return
		}
		for _, a := range s.Acts {
			_ = a.Stands()
			if a.Principal != nil {
				_ = a.Principal.String()
			}
		}
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		again, err := parse(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if twice, err := json.Marshal(again); err != nil || string(twice) != string(text) {
			t.Fatalf("%s became %s, %v", text, twice, err)
		}
	})
}
