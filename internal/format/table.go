package format

import (
	"bufio"
	"fmt"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

const (
	gapWidth = 2 // between two columns
	minWidth = 6 // to which a text is cut at most
)

// gridStyle has no lines at all: go-pretty's would end beyond the last column.
var gridStyle = func() table.Style {
	s := table.StyleLight
	s.Name = "athenatrail"
	s.Options = table.Options{}
	s.Box.PaddingLeft = ""
	s.Box.PaddingRight = strings.Repeat(" ", gapWidth)
	s.Format = table.FormatOptions{}
	return s
}()

// writeTable writes for a terminal: a line about the window, the rows, and a
// line when a limit cut them.
func writeTable(b *bufio.Writer, r *Result, o Options) error {
	g := newGrid(r, o)
	for row, err := range r.Rows {
		if err != nil {
			return err
		}
		g.add(row)
	}
	if line := r.caption(); line != "" && !o.NoHeader {
		fmt.Fprintf(b, "%s\n\n", g.styled(text.Bold, line))
	}
	if len(g.rows) == 0 {
		fmt.Fprintln(b, "nothing found")
		return nil
	}
	g.render(b, o.Width)
	if r.More {
		fmt.Fprintf(b, "\n%s\n", g.styled(text.Faint, "there are more rows: see --limit"))
	}
	return nil
}

// caption says what a result is about, or "".
func (r *Result) caption() string {
	if r.From.IsZero() || r.To.IsZero() {
		return ""
	}
	const minute = "2006-01-02 15:04"
	zone := r.zone()
	line := fmt.Sprintf("%s, %s to %s %s", Safe(r.View), r.From.In(zone).Format(minute), r.To.In(zone).Format(minute), zone)
	if !r.CompleteTo.IsZero() {
		line += ", complete to " + r.CompleteTo.In(zone).Format(minute)
		if r.CompleteTo.Before(r.To) {
			line += " (the rest may still arrive)"
		}
	}
	return line
}

// A grid collects a table's cells, so that their widths can be known.
type grid struct {
	columns  []Column // those shown
	from     []int    // their places in the result
	currency int      // place of the currency, or -1
	section  int      // place of the section, or -1
	zone     *time.Location
	color    bool

	rows     [][]string
	sections []string // the section of each row
}

func newGrid(r *Result, o Options) *grid {
	g := &grid{currency: r.Index(Currency), section: r.Index(Section), zone: r.zone(), color: o.Color}
	money := false
	for _, c := range r.Columns {
		money = money || c.Kind == Money
	}
	for i, c := range r.Columns {
		if c.Wide && !o.Wide || i == g.section || i == g.currency && money {
			continue
		}
		g.columns = append(g.columns, c)
		g.from = append(g.from, i)
	}
	return g
}

func (g *grid) add(row []any) {
	currency := ""
	if g.currency >= 0 {
		currency, _ = row[g.currency].(string)
	}
	cells := make([]string, len(g.columns))
	for i, c := range g.columns {
		cells[i] = human(row[g.from[i]], c, currency, g.zone)
	}
	section := ""
	if g.section >= 0 {
		section = strings.ReplaceAll(human(row[g.section], Column{Kind: Text}, "", g.zone), "_", " ")
	}
	g.rows, g.sections = append(g.rows, cells), append(g.sections, section)
}

// fit returns how wide each column may be so that a line has at most width
// cells: the widest text column gives first. Numbers are never cut.
func (g *grid) fit(width int) []int {
	widths := make([]int, len(g.columns))
	for i, c := range g.columns {
		widths[i] = text.StringWidth(c.title())
		for _, row := range g.rows {
			widths[i] = max(widths[i], text.StringWidth(row[i]))
		}
	}
	total := gapWidth * (len(widths) - 1)
	for _, w := range widths {
		total += w
	}
	for width > 0 && total > width {
		widest := -1
		for i, c := range g.columns {
			if c.flexible() && widths[i] > minWidth && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
		total--
	}
	return widths
}

func (g *grid) render(b *bufio.Writer, width int) {
	t := table.NewWriter()
	t.SetStyle(gridStyle)
	t.SuppressTrailingSpaces()
	widths := g.fit(width)
	head := make(table.Row, len(g.columns))
	configs := make([]table.ColumnConfig, len(g.columns))
	for i, c := range g.columns {
		align := text.AlignLeft
		if c.number() {
			align = text.AlignRight
		}
		head[i] = g.styled(text.Bold, text.Snip(c.title(), widths[i], "…"))
		configs[i] = table.ColumnConfig{Number: i + 1, Align: align, AlignHeader: align, WidthMin: widths[i]}
	}
	t.AppendHeader(head)
	t.SetColumnConfigs(configs)
	for i, cells := range g.rows {
		if g.section >= 0 && (i == 0 || g.sections[i] != g.sections[i-1]) {
			if i > 0 {
				t.AppendRow(table.Row{""})
			}
			t.AppendRow(table.Row{g.styled(text.Bold, g.sections[i])})
		}
		row := make(table.Row, len(cells))
		for j, cell := range cells {
			row[j] = text.Snip(cell, widths[j], "…")
			if cell == nothing {
				row[j] = g.styled(text.Faint, nothing)
			}
		}
		t.AppendRow(row)
	}
	line := gapWidth * (len(widths) - 1)
	for _, w := range widths {
		line += w
	}
	names, rows, _ := strings.Cut(t.Render(), "\n")
	fmt.Fprintf(b, "%s\n%s\n%s\n", names, g.styled(text.Faint, strings.Repeat("─", line)), rows)
}

// styled wraps s, which must be safe, when the table may have style.
func (g *grid) styled(c text.Color, s string) string {
	if !g.color || s == "" {
		return s
	}
	return c.EscapeSeq() + s + text.Reset.EscapeSeq()
}

func (c Column) title() string {
	if c.Title != "" {
		return Safe(c.Title)
	}
	return Safe(strings.ReplaceAll(c.Name, "_", " "))
}

func (c Column) number() bool {
	switch c.Kind {
	case Count, Bytes, Millis, Money, Percent, Change, MB, Number:
		return true
	}
	return false
}

// flexible reports whether a table may cut the column's cells.
func (c Column) flexible() bool {
	switch c.Kind {
	case Text, SQL, Value:
		return true
	}
	return false
}
