// Package annotation reads what a query's text says of its sender: the comment
// in which a BI or pipeline tool names itself, the person who asked and what
// for; and whether the text is a probe, which a tool sends to try a connection
// and nobody asked for.
package annotation

// A Note is what a tool's comment says. The zero value is that of a text
// without one.
type Note struct {
	Tool string // the tool's name as the column tool has it, such as redash

	// User is who asked, as the tool writes it: an e-mail address or a name;
	// of a tool that knows its users by number, the number behind the tool's
	// name, such as metabase:7, which a directory must map. Empty where the
	// tool names nobody.
	User string

	// Detail is what the tool ran, as the column tool_detail has it: dbt's
	// node, Redash's query.
	Detail string

	Comment string // the comment as it stands, bounded
	Offset  int    // its byte offset in the SQL
}
