package report

import "fmt"

// The expressions that DuckDB and Trino spell differently, each in one place.

// jsonText returns the text of a member of a column's JSON, NULL where there
// is none. DuckDB fails on text that is no JSON, so it is looked at first.
// Trino: json_extract_scalar.
func jsonText(column, member string) string {
	return fmt.Sprintf("CASE WHEN json_valid(%[1]s) THEN json_extract_string(%[1]s, '$.%[2]s') END", column, member)
}

// jsonList returns a list of texts that is a member of a column's JSON.
// Trino: CAST(json_extract(column, path) AS ARRAY(VARCHAR)).
func jsonList(column, member string) string {
	return fmt.Sprintf("CASE WHEN json_valid(%[1]s) THEN CAST(json_extract(%[1]s, '$.%[2]s') AS VARCHAR[]) END", column, member)
}

// listLength returns how many elements a list has. Trino: cardinality.
func listLength(column string) string { return fmt.Sprintf("len(%s)", column) }

// listText returns a list's texts with commas between. Trino: array_join.
func listText(column string) string { return fmt.Sprintf("array_to_string(%s, ', ')", column) }

// joined returns the group's texts in the order of a column, with commas
// between. Trino: array_join(array_agg(text ORDER BY order), ', ').
func joined(text, order string) string {
	return fmt.Sprintf("string_agg(%s, ', ' ORDER BY %s)", text, order)
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
