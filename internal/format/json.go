package format

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"time"
	"unicode/utf16"
)

// timeText is how the data formats write a moment.
func timeText(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// plain turns a cell into what encoding/json writes as this package promises.
func plain(v any, k Kind) any {
	switch v := v.(type) {
	case time.Time:
		if k == Date {
			return v.Format(time.DateOnly)
		}
		return timeText(v)
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Sprint(v)
		}
	case json.Number:
		if _, err := json.Marshal(v); err != nil {
			return string(v)
		}
	case *big.Int:
		return json.Number(v.String())
	case []byte:
		return fmt.Sprintf("%x", v)
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = plain(v[i], Value)
		}
		return list
	case map[string]any:
		m := make(map[string]any, len(v))
		for key := range v {
			m[key] = plain(v[key], Value)
		}
		return m
	}
	return v
}

// appendJSON appends v's JSON without escaping <, > and &, which are common in
// SQL and harmless outside HTML. What a terminal would obey or hide is escaped,
// as encoding/json does it with some.
func appendJSON(b *bufio.Writer, v any) error {
	var line lineBuffer
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	text := line.trimmed()
	if bytes.IndexFunc(text, unsafeRune) < 0 {
		_, err := b.Write(text)
		return err
	}
	for _, r := range string(text) { // outside of texts JSON has none of these
		switch {
		case unsafeRune(r) && r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(b, `\u%04x\u%04x`, high, low)
		case unsafeRune(r):
			fmt.Fprintf(b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return nil
}

// A lineBuffer holds what an encoder wrote, which ends with a newline.
type lineBuffer []byte

func (l *lineBuffer) Write(p []byte) (int, error) { *l = append(*l, p...); return len(p), nil }
func (l lineBuffer) trimmed() []byte              { return l[:len(l)-1] }

func jsonObject(b *bufio.Writer, r *Result, row []any) error {
	b.WriteByte('{')
	for i, c := range r.Columns {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := appendJSON(b, c.Name); err != nil {
			return err
		}
		b.WriteByte(':')
		if err := appendJSON(b, plain(row[i], c.Kind)); err != nil {
			return fmt.Errorf("column %s: %w", c.Name, err)
		}
	}
	return b.WriteByte('}')
}

// writeJSON writes one object: what was asked, then the rows, one a line.
// "truncated" says whether a limit cut them.
func writeJSON(b *bufio.Writer, r *Result, _ Options) error {
	b.WriteString(`{"view":`)
	if err := appendJSON(b, r.View); err != nil {
		return err
	}
	moment := func(name string, t time.Time) error {
		fmt.Fprintf(b, `,"%s":`, name)
		if t.IsZero() {
			_, err := b.WriteString("null")
			return err
		}
		return appendJSON(b, timeText(t))
	}
	if err := moment("from", r.From); err != nil {
		return err
	}
	if err := moment("to", r.To); err != nil {
		return err
	}
	b.WriteString(`,"timezone":`)
	if err := appendJSON(b, r.zone().String()); err != nil {
		return err
	}
	if err := moment("complete_to", r.CompleteTo); err != nil {
		return err
	}
	b.WriteString(`,"rows":[`)
	first := true
	for row, err := range r.Rows {
		if err != nil {
			return err
		}
		if !first {
			b.WriteByte(',')
		}
		first = false
		b.WriteByte('\n')
		if err := jsonObject(b, r, row); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(b, "\n],\"truncated\":%t}\n", r.More)
	return err
}

func writeJSONL(b *bufio.Writer, r *Result, _ Options) error {
	for row, err := range r.Rows {
		if err != nil {
			return err
		}
		if err := jsonObject(b, r, row); err != nil {
			return err
		}
		b.WriteByte('\n')
	}
	return nil
}
