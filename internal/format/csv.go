package format

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// writeCSV writes RFC 4180 with lines ended by a newline. NULL is an empty
// cell and an empty text is "", except in the only column of a row, where an
// empty line would be no row at all.
func writeCSV(b *bufio.Writer, r *Result, o Options) error {
	if !o.NoHeader {
		for i, c := range r.Columns {
			if i > 0 {
				b.WriteByte(',')
			}
			csvText(b, o.shown(c.Name), !o.RawCSV)
		}
		b.WriteByte('\n')
	}
	for row, err := range r.Rows {
		if err != nil {
			return err
		}
		for i, c := range r.Columns {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := csvCell(b, row[i], c.Kind, len(r.Columns) == 1, o); err != nil {
				return fmt.Errorf("column %s: %w", c.Name, err)
			}
		}
		b.WriteByte('\n')
	}
	return nil
}

func csvCell(b *bufio.Writer, v any, k Kind, only bool, o Options) error {
	switch v := v.(type) {
	case nil:
		if only {
			b.WriteString(`""`)
		}
	case string:
		csvText(b, o.shown(v), !o.RawCSV)
	default:
		text, err := dataText(v, k)
		if err != nil {
			return err
		}
		csvText(b, o.shown(text), false) // a number, a time or JSON: never a formula
	}
	return nil
}

// shown returns a text as CSV has it: as it is, but for a terminal, which must
// not obey it.
func (o Options) shown(s string) string {
	if o.Width > 0 {
		return Safe(s)
	}
	return s
}

// csvText writes one text. A spreadsheet takes a cell that begins with =, +, -
// or @ for a formula, also behind a tab or a line break; the guard is the
// apostrophe that spreadsheets take for "this is text".
func csvText(b *bufio.Writer, s string, guard bool) {
	if guard && s != "" && strings.IndexByte("=+-@\t\r\n", s[0]) >= 0 {
		s = "'" + s
	}
	if s != "" && !strings.ContainsAny(s, ",\"\r\n") && s[0] != ' ' && s != `\.` {
		b.WriteString(s)
		return
	}
	b.WriteByte('"')
	b.WriteString(strings.ReplaceAll(s, `"`, `""`))
	b.WriteByte('"')
}

// dataText returns a cell as the data formats write it where everything is
// text. It is not called with nil.
func dataText(v any, k Kind) (string, error) {
	switch v := plain(v, k).(type) {
	case string:
		return v, nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case bool:
		return strconv.FormatBool(v), nil
	case json.Number:
		return string(v), nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	default:
		var text bytes.Buffer
		enc := json.NewEncoder(&text)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(v); err != nil {
			return "", err
		}
		return strings.TrimSuffix(text.String(), "\n"), nil
	}
}
