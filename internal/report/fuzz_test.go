package report

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// FuzzCursor reads any text as where a page of a search ended. What is taken
// goes through the search's own SQL.
func FuzzCursor(f *testing.F) {
	one := "2026-11-03 10:00:00.000"
	id := "x' OR '1'='1"
	for _, c := range []cursor{{Values: []*string{&one, &id, &id, &id}}, {Order: "-cost", Values: []*string{nil, &one}}} {
		data, err := json.Marshal(c)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(base64.RawURLEncoding.EncodeToString(data), c.Order)
	}
	f.Add("", "")
	f.Add("bnVsbA", "cost")
	f.Add(strings.Repeat("A", maxCursor+1), "person")
	f.Fuzz(func(t *testing.T, after, order string) {
		o := ParseOrder(order)
		if searchOrder[o.Column] == "" {
			return // Search refuses it
		}
		keys := keysOf(o)
		c, err := readCursor(Search{After: after, Order: o}, len(keys))
		if err != nil {
			if !errors.Is(err, ErrUsage) {
				t.Fatal(err)
			}
			return
		}
		if c == nil {
			if after != "" {
				t.Fatalf("%q is no first page", after)
			}
			return
		}
		var bound []string
		text := beyond(keys, c.Values, func(v string) string { bound = append(bound, v); return "?" })
		for _, v := range c.Values {
			if v != nil && len(*v) > 8 && strings.Contains(text, *v) {
				t.Fatalf("a value stands in the SQL: %s", text)
			}
		}
		if strings.Count(text, "?") != len(bound) {
			t.Fatalf("%s has %d values", text, len(bound))
		}
	})
}

// FuzzCondition reads any text as a condition, which is written as it is read
// and puts nothing of itself into SQL.
func FuzzCondition(f *testing.F) {
	for _, s := range []string{"person=ana@example.com", "person!=*", "a=b=c", "=x", " person =", "x'--=1", "person=\x00\u202e", "probe=true", "cost=%_\\"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseCondition(s)
		if err != nil {
			return
		}
		if again, err := ParseCondition(c.String()); err != nil || again != c {
			t.Fatalf("%q: %+v, then %+v, %v", s, c, again, err)
		}
		if strings.Contains(c.Column, "?") {
			return // no column: a view refuses it
		}
		for _, kind := range []string{"VARCHAR", "BOOLEAN", "INTEGER"} {
			text := c.sql(kind, func(string) string { return "?" })
			if rest := strings.ReplaceAll(text, c.Column, ""); len(c.Value) > 12 && strings.Contains(rest, c.Value) {
				t.Fatalf("the value stands in the SQL: %s", text)
			}
		}
	})
}
