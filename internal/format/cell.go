package format

import (
	"strconv"
	"time"
)

// Human returns a cell of a column as a table shows it: on one line, in units
// that people read, with what a terminal would obey escaped. The currency is
// that of the row, for amounts; times are shown in zone.
func Human(v any, c Column, currency string, zone *time.Location) string {
	if zone == nil {
		zone = time.UTC
	}
	return human(v, c, currency, zone)
}

// Data returns a cell as the data formats write it where everything is text:
// bytes and milliseconds as integers, money as an exact decimal, times in RFC
// 3339. Of nil it is "".
func Data(v any, k Kind) string {
	if v == nil {
		return ""
	}
	text, err := dataText(v, k)
	if err != nil {
		return ""
	}
	return text
}

// Plain returns a cell as encoding/json is to write it, so that it says what
// the JSON format says.
func Plain(v any, k Kind) any { return plain(v, k) }

// Heading returns what stands over the column in a table.
func (c Column) Heading() string { return c.title() }

// IsNumber reports whether a table aligns the column to the right.
func (c Column) IsNumber() bool { return c.number() }

// Counted writes a number with its noun, in the plural if need be: 1 day, 2
// days. A second noun is the plural where an s would not do.
func Counted(n int64, noun ...string) string {
	text := thousands(strconv.FormatInt(n, 10))
	switch {
	case len(noun) == 0 || noun[0] == "":
		return text
	case n == 1:
		return text + " " + noun[0]
	case len(noun) > 1:
		return text + " " + noun[1]
	}
	return text + " " + noun[0] + "s"
}
