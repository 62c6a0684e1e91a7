package report

import "fmt"

// A dialect is one of the two ways in which the SQL of views is written. Most
// of it is what DuckDB and Trino share; what they spell differently stands in
// the table below, and nowhere else. Athena's engine version 3 speaks Trino's.
type dialect string

const (
	duckDB dialect = "duckdb"
	trino  dialect = "trino"
)

// Phrases are how a dialect writes what the other writes differently: format
// strings whose first value is a column.
type phrases struct {
	// jsonText is the text of a member of a column's JSON, NULL where there is
	// none. DuckDB fails on text that is no JSON, so it is looked at first.
	jsonText string

	// jsonList is a list of texts that is a member of a column's JSON.
	jsonList string

	listLength string // how many elements a list has
	listText   string // a list's texts with commas between
	listFirst  string // a list's first element, NULL where it is empty
	textHas    string // whether a text holds another, the second value

	// joined is the texts of a group in the order of another column, with
	// commas between; NULL where there is none.
	joined string
}

var spelled = map[dialect]phrases{
	duckDB: {
		jsonText:   "CASE WHEN json_valid(%[1]s) THEN json_extract_string(%[1]s, '$.%[2]s') END",
		jsonList:   "CASE WHEN json_valid(%[1]s) THEN CAST(json_extract(%[1]s, '$.%[2]s') AS VARCHAR[]) END",
		listLength: "len(%s)",
		listText:   "array_to_string(%s, ', ')",
		listFirst:  "%s[1]",
		textHas:    "contains(%s, %s)",
		joined:     "string_agg(%s, ', ' ORDER BY %s)",
	},
	trino: {
		jsonText:   "json_extract_scalar(%s, '$.%s')",
		jsonList:   "TRY_CAST(json_extract(%s, '$.%s') AS ARRAY(VARCHAR))",
		listLength: "cardinality(%s)",
		listText:   "array_join(%s, ', ')",
		listFirst:  "element_at(%s, 1)",
		textHas:    "(strpos(%s, %s) > 0)",
		joined:     "array_join(array_agg(%[1]s ORDER BY %[2]s) FILTER (WHERE %[1]s IS NOT NULL), ', ')",
	},
}

func (d dialect) jsonText(column, member string) string {
	return fmt.Sprintf(spelled[d].jsonText, column, member)
}
func (d dialect) jsonList(column, member string) string {
	return fmt.Sprintf(spelled[d].jsonList, column, member)
}
func (d dialect) listLength(column string) string {
	return fmt.Sprintf(spelled[d].listLength, column)
}
func (d dialect) listText(column string) string  { return fmt.Sprintf(spelled[d].listText, column) }
func (d dialect) listFirst(column string) string { return fmt.Sprintf(spelled[d].listFirst, column) }
func (d dialect) textHas(text, part string) string {
	return fmt.Sprintf(spelled[d].textHas, text, part)
}
func (d dialect) joined(text, order string) string {
	return fmt.Sprintf(spelled[d].joined, text, order)
}

// wholeDays returns how many days of 24 hours lie between two times.
func wholeDays(from, to string) string {
	return fmt.Sprintf("CAST(floor(CAST(date_diff('millisecond', %s, %s) AS DOUBLE) / 86400000e0) AS BIGINT)", from, to)
}

// durationText returns milliseconds as people say them: 7h 05m.
func durationText(ms string) string {
	part := func(unit, modulo string) string {
		return fmt.Sprintf("CAST(CAST(floor(CAST(%s AS DOUBLE) / %s) AS BIGINT)%s AS VARCHAR)", ms, unit, modulo)
	}
	return fmt.Sprintf("CASE WHEN %s < 3600000 THEN %s || 'm' ELSE %s || 'h ' || lpad(%s, 2, '0') || 'm' END",
		ms, part("60000e0", ""), part("3600000e0", ""), part("60000e0", " % 60"))
}
