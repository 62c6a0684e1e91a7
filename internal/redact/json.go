package redact

import (
	"encoding/json"
	"strings"

	"github.com/athenatrail/athenatrail"
)

// hidden is what stands for what is not stored, in CloudTrail's own words.
const hidden = "HIDDEN_FOR_SECURITY_REASONS"

// omitted is what CloudTrail writes for SQL.
const omitted = "***OMITTED***"

// record redacts a record in canonical form.
func (r *Redactor) record(record string) string {
	top, ok := decode(record)
	if !ok {
		return record // facts hold what was decoded before
	}
	changed := false
	m := messages{}
	code, _ := top["errorCode"].(string)
	for name, v := range top {
		switch v := v.(type) {
		case string:
			if name == "errorMessage" && !saysNoSQL(code) {
				if masked := m.mask(v); masked != v {
					top[name], changed = masked, true
				}
			}
		case map[string]any, []any:
			if name != "userIdentity" && r.call(v) {
				changed = true
			}
		}
	}
	if !changed {
		return record
	}
	return encode(top)
}

// saysNoSQL reports whether an error is about who calls or how often: AWS looks
// at that before the statement, and the message is needed to put it right.
func saysNoSQL(code string) bool {
	return strings.Contains(code, "AccessDenied") || strings.Contains(code, "UnauthorizedOperation") ||
		strings.Contains(code, "Throttling") || strings.Contains(code, "TooManyRequests")
}

// call redacts what a call was asked and answered, and reports whether it
// changed anything.
func (r *Redactor) call(v any) (changed bool) {
	switch v := v.(type) {
	case []any:
		for _, element := range v {
			changed = r.call(element) || changed
		}
	case map[string]any:
		for name, value := range v {
			switch name {
			case "queryString", "query", "queryStatement":
				if masked := r.statement(value); masked != value {
					v[name], changed = masked, true
				}
				continue
			case "executionParameters", "codeBlock", "payload":
				if value != nil && value != hidden && value != omitted {
					v[name], changed = hidden, true
				}
				continue
			case "errorMessage", "message", "stateChangeReason":
				if text, ok := value.(string); ok {
					if masked := (&messages{}).mask(text); masked != text {
						v[name], changed = masked, true
					}
				}
				continue
			}
			changed = r.call(value) || changed
		}
	}
	return changed
}

// statement returns what stands for SQL, of which a record holds the hash.
func (r *Redactor) statement(v any) any {
	s, ok := v.(string)
	switch {
	case v == nil || ok && (s == "" || s == omitted || s == hidden || strings.HasPrefix(s, salted)):
		return v
	case !ok:
		return hidden
	}
	plain, ok := strings.CutPrefix(s, "sha256:")
	if !ok {
		plain = athenatrail.HashText(s)
	}
	return r.hash(plain)
}

// parameters takes the values that a statement was executed with, and puts a ?
// for each.
func (m *messages) parameters(answer map[string]any) {
	values, _ := answer["ExecutionParameters"].([]any)
	for i := range values {
		if s, ok := values[i].(string); ok {
			of := messagesOf(s)
			m.unsure = m.unsure || of.unsure
			m.add(append(of.literals, s)...)
		}
	}
}

// answer redacts what the API said, and reports whether it changed anything.
func (m *messages) answer(v any) (changed bool) {
	switch v := v.(type) {
	case []any:
		for _, element := range v {
			changed = m.answer(element) || changed
		}
	case map[string]any:
		for name, value := range v {
			switch value := value.(type) {
			case string:
				if name == "StateChangeReason" || name == "ErrorMessage" {
					if masked := m.mask(value); masked != value {
						v[name], changed = masked, true
					}
				}
			case []any:
				if name == "ExecutionParameters" {
					for i := range value {
						if value[i] != "?" {
							value[i], changed = "?", true
						}
					}
					continue
				}
				changed = m.answer(value) || changed
			default:
				changed = m.answer(value) || changed
			}
		}
	}
	return changed
}

// decode reads a JSON object, with numbers as they were written; an empty text
// is an empty object.
func decode(text string) (map[string]any, bool) {
	if text == "" {
		return nil, true
	}
	var top map[string]any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	err := d.Decode(&top)
	return top, err == nil
}

// encode writes JSON with sorted keys and no white space.
func encode(top map[string]any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(top); err != nil {
		panic(err) // what was decoded can be encoded
	}
	return strings.TrimSuffix(b.String(), "\n")
}
