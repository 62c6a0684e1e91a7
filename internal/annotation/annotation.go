// Package annotation reads what a query's text says of its sender: the comment
// in which a BI or pipeline tool names itself, the person who asked and what
// for; and whether the text is a probe, which a tool sends to try a connection
// and nobody asked for.
//
// A text is written by whoever may run queries, so a comment proves nothing:
// what is read here is asserted. It is read only out of comments, only where a
// tool puts its own and only in the form in which it does, see markers.go.
package annotation

// A Note is what a tool's comment says. The zero value is that of a text
// without one.
type Note struct {
	// Tool is the tool's name as the column tool has it, such as redash. It is
	// empty where a comment in sqlcommenter's form names a person and no tool
	// that is known.
	Tool string

	// User is who asked, as the tool writes it: an e-mail address or a name;
	// of a tool that knows its users by number or UUID, that id behind the
	// tool's name, such as metabase:7, which a directory must map. A name
	// never holds a colon. Empty where the tool names nobody.
	User string

	// Detail is what the tool ran, as the column tool_detail has it: dbt's
	// node, Redash's query.
	Detail string

	Comment string // the comment as it stands, at most 8192 bytes
	Offset  int    // its byte offset in the SQL
}
