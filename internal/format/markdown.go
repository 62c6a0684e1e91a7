package format

import (
	"bufio"
	"fmt"
	"strings"
)

// writeMarkdown writes a GitHub table of every column in the units of the
// terminal's table.
func writeMarkdown(b *bufio.Writer, r *Result, o Options) error {
	if line := r.caption(); line != "" && !o.NoHeader {
		fmt.Fprintf(b, "%s\n\n", markdownText(line))
	}
	for _, c := range r.Columns {
		fmt.Fprintf(b, "| %s ", markdownText(c.Name))
	}
	b.WriteString("|\n")
	for _, c := range r.Columns {
		if c.number() {
			b.WriteString("| ---: ")
		} else {
			b.WriteString("| --- ")
		}
	}
	b.WriteString("|\n")
	currency := r.Index(Currency)
	for row, err := range r.Rows {
		if err != nil {
			return err
		}
		unit := ""
		if currency >= 0 {
			unit, _ = row[currency].(string)
		}
		for i, c := range r.Columns {
			if c.Kind == ID {
				c.Kind = Text // nobody pastes a cut id into a ticket
			}
			fmt.Fprintf(b, "| %s ", markdownText(human(row[i], c, unit, r.zone())))
		}
		b.WriteString("|\n")
	}
	if r.More {
		b.WriteString("\nThere are more rows.\n")
	}
	return nil
}

// markdownEscaper puts a backslash before what Markdown or HTML inside it
// would take for its own.
var markdownEscaper = func() *strings.Replacer {
	var pairs []string
	for _, c := range "\\`*_[]<>|&~#!$" {
		pairs = append(pairs, string(c), `\`+string(c))
	}
	return strings.NewReplacer(pairs...)
}()

// markdownText escapes s, which must be on one line. The dollar sign too: GitHub
// takes what stands between two of them for a formula.
func markdownText(s string) string { return markdownEscaper.Replace(s) }
