package catalog

import "strings"

// Formats of a table's files.
const (
	FormatCSV     = "csv" // and other separators
	FormatJSON    = "json"
	FormatText    = "text" // read by a pattern
	FormatParquet = "parquet"
	FormatIceberg = "iceberg" // a table format: its files are mostly Parquet
)

// serdes name formats by a part of the serialization library's class, in lower
// case (Athena User Guide, "Choose a SerDe for your data").
var serdes = []struct{ part, format string }{
	{"parquet", FormatParquet}, {"orc", "orc"}, {"avro", "avro"},
	{"opencsv", FormatCSV}, {"lazysimple", FormatCSV}, {"csvserde", FormatCSV},
	{"cloudtrail", FormatJSON}, {"json", FormatJSON},
	{"regexserde", FormatText}, {"grok", FormatText}, {"ionhiveserde", "ion"}, {"xml", "xml"},
}

// inputs name formats by a part of the input format's class.
var inputs = []struct{ part, format string }{
	{"parquet", FormatParquet}, {"orc", "orc"}, {"avro", "avro"}, {"textinputformat", FormatText},
}

// formatOf tells the format of a table's files, "" where nothing does. The
// table format goes before all, then the library that reads the files; the
// label of a crawler comes last but for what Hadoop reads it with, since
// somebody may have set it by hand.
func formatOf(parameters map[string]string, serde, input string) string {
	get := func(name string) string { return strings.ToLower(strings.TrimSpace(parameters[name])) }
	serde, input = strings.ToLower(serde), strings.ToLower(input)
	switch kind, provider := get("table_type"), get("spark.sql.sources.provider"); {
	case kind == "iceberg" || provider == "iceberg":
		return FormatIceberg
	case kind == "delta" || provider == "delta" || strings.Contains(input, ".delta."):
		return "delta"
	case provider == "hudi" || strings.Contains(input, "hudi") || strings.Contains(input, "hoodie"):
		return "hudi"
	}
	for _, s := range serdes {
		if strings.Contains(serde, s.part) {
			return s.format
		}
	}
	if label := get("classification"); label != "" && label != "unknown" {
		return cleaned(label, 40)
	}
	for _, s := range inputs {
		if strings.Contains(input, s.part) {
			return s.format
		}
	}
	return ""
}

// locationOf returns a table's place without what may be secret in it.
func locationOf(s string) string {
	if i := strings.IndexAny(s, "?#;"); i >= 0 {
		s = s[:i]
	}
	if scheme, rest, ok := strings.Cut(s, "://"); ok {
		if at := strings.LastIndexByte(rest, '@'); at >= 0 {
			rest = rest[at+1:]
		}
		s = scheme + "://" + rest
	}
	return cleaned(s, maxText)
}
