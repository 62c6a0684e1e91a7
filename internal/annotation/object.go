package annotation

import (
	"encoding/json"
	"io"
	"strings"
)

// An object is a JSON object's members. It is small: a comment is bounded, and
// encoding/json bounds how deep members nest.
type object map[string]json.RawMessage

// readObject reads a text that is one JSON object and nothing else. One that
// has a key twice is refused: readers differ on what it says.
func readObject(text string) (object, bool) {
	text = strings.TrimSpace(text)
	if !strings.HasPrefix(text, "{") || !strings.HasSuffix(text, "}") {
		return nil, false
	}
	d := json.NewDecoder(strings.NewReader(text))
	if _, err := d.Token(); err != nil {
		return nil, false
	}
	o := object{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, false
		}
		name, ok := key.(string)
		if _, twice := o[name]; !ok || twice {
			return nil, false
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, false
		}
		o[name] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, false
	}
	_, err := d.Token()
	return o, err == io.EOF
}

func (o object) has(key string) bool { return o[key] != nil }

// text returns a member that is a text or a number, and nothing for another.
func (o object) text(key string) string {
	value := o[key]
	if len(value) == 0 {
		return ""
	}
	var s string
	if json.Unmarshal(value, &s) == nil && value[0] == '"' {
		return s
	}
	if '0' <= value[0] && value[0] <= '9' {
		return string(value)
	}
	return ""
}
