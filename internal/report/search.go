package report

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/athenatrail/athenatrail/internal/format"
)

// A Search asks for executions one by one, a page at a time.
type Search struct {
	From, To    time.Time // half-open
	Where       []Condition
	Probes, Own bool // as in [Params]

	// Table keeps the executions that touched a table, by its full name.
	Table string

	// Text keeps the executions whose SQL has every word of it, in any case of
	// letters. Words in double quotes belong together.
	Text string

	// Order is by a column of the result, by default the newest first.
	Order Order

	Limit int    // rows on a page; zero is 100
	After string // Found.Next of the page before; empty is the first
}

// Found is one page of executions, and what all pages add up to.
type Found struct {
	*format.Result
	Next string // the page behind, for Search.After; empty on the last
	Sums []Sum  // by currency, in its order
}

// A Sum adds up executions that share a currency.
type Sum struct {
	Currency   string // empty where no cost is known of any
	Executions int64  // that Athena took
	NotStarted int64  // calls that it refused
	Scanned    int64
	Cost       json.Number
}

const (
	pageRows   = 100
	maxPage    = 1000
	maxWords   = 10
	maxCursor  = 8192
	maxFreeSQL = 500
)

// searchColumns are the columns of a search: those of the view queries, and
// the event that names a start without an id.
func searchColumns() []format.Column {
	v, err := Lookup("queries")
	if err != nil {
		panic(err)
	}
	return append(slices.Clone(v.Columns), wide(eventID))
}

// searchOrder are the columns by which executions can stand, with their types.
var searchOrder = map[string]string{
	"submission_date_time": "TIMESTAMP", "query_execution_id": "VARCHAR", "event_id": "VARCHAR", "person": "VARCHAR", "person_kind": "VARCHAR",
	"person_source": "VARCHAR", "person_trust": "VARCHAR", "team": "VARCHAR", "tool": "VARCHAR", "account_id": "VARCHAR", "region_name": "VARCHAR",
	"work_group_name": "VARCHAR", "database_name": "VARCHAR", "statement_type": "VARCHAR", "state": "VARCHAR", "gap": "VARCHAR",
	"data_scanned_bytes": "BIGINT", "billed_bytes": "BIGINT", "cost": "DECIMAL(18,9)", "currency": "VARCHAR", "queue_ms": "BIGINT",
	"engine_ms": "BIGINT", "total_ms": "BIGINT", "reused_result": "BOOLEAN", "source_ip": "VARCHAR",
}

// A searchKey is one column of the order.
type searchKey struct {
	column, kind string
	desc         bool
	never        bool // NULL counts as an empty text
}

// expr returns the key as SQL, for the relation that prefix names.
func (k searchKey) expr(prefix string) string {
	if k.never {
		return "coalesce(" + prefix + k.column + ", '')"
	}
	return prefix + k.column
}

// orderBy returns the keys for an ORDER BY.
func orderBy(keys []searchKey, prefix string) string {
	list := make([]string, len(keys))
	for i, k := range keys {
		list[i] = k.expr(prefix)
		if k.desc {
			list[i] += " DESC"
		}
		list[i] += " NULLS LAST"
	}
	return strings.Join(list, ", ")
}

// keysOf returns what a search is ordered by: the column, whose NULLs are
// behind everything, then what makes the order total.
func keysOf(o Order) []searchKey {
	keys := []searchKey{{o.Column, searchOrder[o.Column], o.Desc, false}}
	for _, k := range []searchKey{
		{"submission_date_time", "TIMESTAMP", true, false}, {"query_execution_id", "VARCHAR", false, true}, {"event_id", "VARCHAR", false, true},
		{"account_id", "VARCHAR", false, true}, {"region_name", "VARCHAR", false, true},
	} {
		if k.column != o.Column {
			keys = append(keys, k)
		}
	}
	return keys
}

// A cursor says where a page ended: the values of the keys of its last row, as
// text, nil being NULL.
type cursor struct {
	Order  string    `json:"o"`
	Values []*string `json:"v"`
}

// Search returns a page of executions. What is wrong with what was asked is an
// error that is [ErrUsage].
func (d *DB) Search(ctx context.Context, s Search) (*Found, error) {
	f, err := d.search(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	return f, nil
}

func (d *DB) search(ctx context.Context, s Search) (*Found, error) {
	if s.Order.Column == "" {
		s.Order = Order{"submission_date_time", true}
	}
	if _, ok := searchOrder[s.Order.Column]; !ok {
		return nil, unknown("column to sort by", s.Order.Column, sortedNames(searchOrder))
	}
	if s.Limit == 0 {
		s.Limit = pageRows
	}
	if s.Limit < 1 || s.Limit > maxPage {
		return nil, usageError(fmt.Sprintf("limit %d: want 1 to %d rows on a page", s.Limit, maxPage))
	}
	view, err := Lookup("queries")
	if err != nil {
		return nil, err
	}
	if _, err := prepare(view, Params{From: s.From, To: s.To, Where: s.Where}); err != nil {
		return nil, err
	}
	keys := keysOf(s.Order)
	after, err := readCursor(s, len(keys))
	if err != nil {
		return nil, err
	}
	from, err := newSearchSQL(s, view, d.in, d.held)
	if err != nil {
		return nil, err
	}
	run, done, err := d.matching(ctx, from)
	if err != nil {
		return nil, err
	}
	defer done()
	f := &Found{Result: &format.Result{View: "queries", From: s.From, To: s.To, TimeZone: d.zone, Columns: searchColumns()}}
	if f.Sums, err = searchSums(ctx, run, from); err != nil {
		return nil, err
	}
	rows, more, err := searchRows(ctx, run, s, from, keys, after)
	if err != nil {
		return nil, err
	}
	if f.More = more; more {
		f.Next = nextCursor(s.Order, keys, f.Result, rows[len(rows)-1])
	}
	f.Rows = format.RowsOf(rows)
	return f, nil
}

func sortedNames(m map[string]string) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// A searchSQL is the relation that a search goes over, with the values for its
// question marks: WITH ... and then a FROM with its WHERE.
type searchSQL struct {
	with, from string
	args       []any
	numbered   bool // texts are held, and numbered

	// matched, where texts are numbered and words are looked for, is a SELECT of
	// the numbers of the texts that have them, which the relation takes from
	// matchedTexts; with its values.
	matched string
	words   []any
}

// matchedTexts is a table of one connection for the time of one search, so that
// texts are looked through once for its sums and its rows.
const matchedTexts = "matched_texts"

func newSearchSQL(s Search, view View, in dialect, held bool) (q searchSQL, err error) {
	q.numbered = held
	first, last := date(s.From.UTC().Add(-slack)), date(s.To.UTC().Add(slack))
	firstText, lastText := date(s.From.UTC().Add(-2*slack)), date(s.To.UTC().Add(2*slack))
	bind := func(v string) string {
		q.args = append(q.args, v)
		return "?"
	}
	words, err := searchWords(s.Text)
	if err != nil {
		return q, err
	}
	matching := ""
	for _, w := range words {
		matching += " AND " + in.textHas("lower(query_string)", "lower("+bind(w)+")")
	}
	where := ""
	switch {
	case len(words) > 0 && held:
		q.matched, q.words, q.args = "SELECT text_id FROM held_texts WHERE true"+matching, q.args, nil
		matching, where = "", " AND text_id IN (SELECT text_id FROM "+matchedTexts+")"
	case len(words) > 0:
		where = " AND EXISTS (SELECT 1 FROM texts AS x WHERE " + textOf(held, "x", "e") + ")"
	}
	texts := "SELECT account_id, region_name, CAST(dt AS VARCHAR) AS text_dt, text_hash, query_string FROM query_texts\n" +
		"    WHERE dt >= " + firstText + " AND dt <= " + lastText
	if held {
		texts = "SELECT text_id, query_string FROM held_texts WHERE true"
	}
	q.with = "WITH texts AS (\n    " + texts + matching + "\n)"
	q.from = "(SELECT *, 'sql' AS kind FROM query_executions) AS e"
	where = "dt >= " + first + " AND dt <= " + last + " AND submission_date_time >= " + timestamp(s.From) + " AND submission_date_time < " + timestamp(s.To) +
		" AND " + ranked(Params{Where: s.Where, Probes: s.Probes, Own: s.Own}, nil) + where
	if s.Table != "" {
		where += " AND contains(tables_accessed, " + bind(s.Table) + ")"
	}
	if text := conditions(s.Where, view.kinds, bind); text != "" {
		where += " AND " + text
	}
	q.from += "\nWHERE " + where
	return q, nil
}

// searchWords cuts a free text into what all has to be found.
func searchWords(text string) ([]string, error) {
	if len(text) > maxFreeSQL || !utf8.ValidString(text) {
		return nil, usageError(fmt.Sprintf("the text to look for has to be at most %d bytes of UTF-8", maxFreeSQL))
	}
	var words []string
	for i, part := range strings.Split(text, `"`) {
		if i%2 == 1 {
			if part = strings.TrimSpace(part); part != "" {
				words = append(words, part)
			}
			continue
		}
		words = append(words, strings.Fields(part)...)
	}
	if len(words) > maxWords {
		return nil, usageError(fmt.Sprintf("the text to look for has %d words: want at most %d; those that belong together go in double quotes", len(words), maxWords))
	}
	return words, nil
}

// A runner runs a statement.
type runner func(ctx context.Context, text string, args ...any) (*sql.Rows, error)

// matching returns what runs the statements of a search, after it looked through
// the held texts. The caller calls done behind the last of them.
func (d *DB) matching(ctx context.Context, q searchSQL) (run runner, done func(), err error) {
	if q.matched == "" {
		return d.query, func() {}, nil
	}
	conn, err := d.db.Conn(ctx)
	if err != nil {
		return nil, nil, oneLine(err)
	}
	done = func() {
		// The connection goes back to others, also when nobody waits any more.
		_, err := conn.ExecContext(context.WithoutCancel(ctx), "DROP TABLE IF EXISTS temp."+matchedTexts)
		if err != nil {
			conn.Raw(func(any) error { return driver.ErrBadConn })
		}
		conn.Close()
	}
	if _, err := conn.ExecContext(ctx, "CREATE OR REPLACE TEMP TABLE "+matchedTexts+" AS "+q.matched, q.words...); err != nil {
		done()
		return nil, nil, oneLine(err)
	}
	return conn.QueryContext, done, nil
}

func searchSums(ctx context.Context, run runner, q searchSQL) ([]Sum, error) {
	rows, err := run(ctx, q.with+`
SELECT coalesce(currency, ''), CAST(count(*) FILTER (WHERE gap IS DISTINCT FROM 'not_started') AS BIGINT),
    CAST(count(*) FILTER (WHERE gap = 'not_started') AS BIGINT), CAST(coalesce(sum(data_scanned_bytes), 0) AS BIGINT),
    CAST(sum(CASE WHEN cost_basis IN ('list', 'custom', 'free') THEN cost END) AS VARCHAR)
FROM `+q.from+"\nGROUP BY 1 ORDER BY 1", q.args...)
	if err != nil {
		return nil, oneLine(err)
	}
	defer rows.Close()
	var sums []Sum
	for rows.Next() {
		var s Sum
		var cost *string
		if err := rows.Scan(&s.Currency, &s.Executions, &s.NotStarted, &s.Scanned, &cost); err != nil {
			return nil, oneLine(err)
		}
		if cost != nil {
			s.Cost = json.Number(*cost)
		}
		sums = append(sums, s)
	}
	return sums, oneLine(rows.Err())
}

func searchRows(ctx context.Context, run runner, s Search, q searchSQL, keys []searchKey, after *cursor) ([][]any, bool, error) {
	args := slices.Clone(q.args)
	where := ""
	if after != nil {
		where = " AND " + beyond(keys, after.Values, func(v string) string {
			args = append(args, v)
			return "?"
		})
	}
	columns := searchColumns()
	var shown, names []string
	for _, c := range columns {
		if c.Name == "query_string" {
			shown = append(shown, "x.query_string")
			continue
		}
		shown, names = append(shown, "t."+c.Name), append(names, c.Name)
	}
	key := slices.DeleteFunc(textKey(q.numbered), func(c string) bool { return slices.Contains(names, c) })
	text := q.with + ",\nfound AS (\n    SELECT " + strings.Join(names, ", ") + ", " + strings.Join(key, ", ") + " FROM " + q.from + where +
		"\n    ORDER BY " + orderBy(keys, "") + fmt.Sprintf("\n    LIMIT %d\n)", s.Limit+1) +
		"\nSELECT " + strings.Join(shown, ", ") + "\nFROM found AS t LEFT JOIN texts AS x\n" +
		"    ON " + textOf(q.numbered, "x", "t") + "\n" +
		"ORDER BY " + orderBy(keys, "t.")
	rows, err := rowsOf(ctx, run, statement{sql: text, args: args}, columns)
	if err != nil {
		return nil, false, err
	}
	if len(rows) > s.Limit {
		return rows[:s.Limit], true, nil
	}
	return rows, false, nil
}

// beyond returns the condition of what stands behind the given values.
func beyond(keys []searchKey, values []*string, bind func(string) string) string {
	k, v := keys[0], values[0]
	expr, rest := k.expr(""), "false"
	if v == nil { // everything that has a value stands before
		if len(keys) > 1 {
			rest = beyond(keys[1:], values[1:], bind)
		}
		return "(" + expr + " IS NULL AND " + rest + ")"
	}
	value := func() string { return "CAST(" + bind(*v) + " AS " + k.kind + ")" }
	compare := " > "
	if k.desc {
		compare = " < "
	}
	text := "(" + expr + " IS NULL OR " + expr + compare + value()
	if len(keys) > 1 {
		text += " OR (" + expr + " = " + value() + " AND " + beyond(keys[1:], values[1:], bind) + ")"
	}
	return text + ")"
}

func nextCursor(o Order, keys []searchKey, r *format.Result, last []any) string {
	c := cursor{Order: o.String()}
	for _, k := range keys {
		i := r.Index(k.column)
		v := last[i]
		if v == nil && !k.never {
			c.Values = append(c.Values, nil)
			continue
		}
		text := format.Data(v, r.Columns[i].Kind)
		if t, ok := v.(time.Time); ok {
			text = t.UTC().Format("2006-01-02 15:04:05.000")
		}
		c.Values = append(c.Values, &text)
	}
	data, err := json.Marshal(c)
	if err != nil {
		return "" // texts always marshal
	}
	return base64.RawURLEncoding.EncodeToString(data)
}

// readCursor returns where the page before ended; nil for the first page.
func readCursor(s Search, keys int) (*cursor, error) {
	if s.After == "" {
		return nil, nil
	}
	wrong := usageError("after: this is not where a page of this search ended; begin with its first page")
	if len(s.After) > maxCursor {
		return nil, wrong
	}
	data, err := base64.RawURLEncoding.DecodeString(s.After)
	if err != nil {
		return nil, wrong
	}
	var c cursor
	if json.Unmarshal(data, &c) != nil || c.Order != s.Order.String() || len(c.Values) != keys {
		return nil, wrong
	}
	for i, k := range keysOf(s.Order) {
		v := c.Values[i]
		if v == nil {
			if i > 0 {
				return nil, wrong
			}
			continue
		}
		if !castable(*v, k.kind) {
			return nil, wrong
		}
	}
	return &c, nil
}

// castable reports whether a text that came from outside can be what it is cast
// to, so that a made-up cursor is refused and not failed on.
func castable(text, kind string) bool {
	switch kind {
	case "TIMESTAMP":
		_, err := time.Parse("2006-01-02 15:04:05.000", text)
		return err == nil
	case "BIGINT":
		var n int64
		return json.Unmarshal([]byte(text), &n) == nil
	case "BOOLEAN":
		return text == "true" || text == "false"
	case "DECIMAL(18,9)":
		whole, _, _ := strings.Cut(text, ".")
		return text != "" && strings.Trim(text, "0123456789.") == "" && len(whole) <= 9 && strings.Count(text, ".") <= 1 && whole != ""
	}
	return utf8.ValidString(text)
}
