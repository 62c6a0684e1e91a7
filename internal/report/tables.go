package report

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/format"
)

// A tableRow names the columns by which a list of tables can be cut.
type tableRow struct {
	TableName   string `parquet:"table_name"`
	AccountID   string `parquet:"account_id"`
	RegionName  string `parquet:"region_name"`
	KnownFrom   string `parquet:"known_from"`
	TableType   string `parquet:"table_type"`
	TableFormat string `parquet:"table_format"`
}

// touchedKinds are the conditions of views about what executions touched.
func touchedKinds(name string) map[string]string {
	return conditionKinds(reflect.TypeFor[athenatrail.QueryExecution](), "kind", name)
}

// A touch is which list of an execution a view takes apart, and what it calls
// an element of it.
type touch struct{ List, Name string }

var touches = map[string]touch{
	"tables":             {"tables_accessed", "table_name"},
	"databases-accessed": {"databases_accessed", "database_accessed"},
}

// Touch returns what the view takes apart.
func (p *page) Touch() touch { return touches[p.View.Name] }

// databaseOfTable returns catalog.database of a full table name, whose parts
// are quoted where they hold a dot.
func databaseOfTable(column string) string {
	return fmt.Sprintf(`regexp_replace(%s, '\.("([^"]|"")*"|[^."]*)$', '')`, column)
}

func tableViews() []View {
	whole := func(c format.Column) format.Column {
		c.Title, c.Help = "whole "+c.Title, c.Help+"of the executions that touched it; each counts whole for every one that it touched, so that rows must not be added up"
		return c
	}
	readers30 := wide(format.Column{Name: "readers_30_days", Title: "30 days", Kind: format.Count, Help: "different humans who read it in the 30 days before the window's end"})
	tableName := format.Column{Name: "table_name", Title: "table", Kind: format.Text, Help: "catalog.database.table; the same name in another account or region is another table"}
	databaseAccessed := format.Column{Name: "database_accessed", Title: "database", Kind: format.Text, Help: "catalog.database of the tables, whatever the query's own context was"}
	wholeScanned, wholeCost := whole(format.Column{Name: scanned.Name, Title: "scanned", Kind: scanned.Kind}), whole(format.Column{Name: cost.Name, Title: "cost", Kind: cost.Kind})
	reads := format.Column{Name: "reads", Kind: format.Count, Help: "executions that read it and did not change it"}
	writes := format.Column{Name: "writes", Kind: format.Count, Help: "executions that changed its rows or its entry in the catalog"}
	topTeam := format.Column{Name: "top_team", Title: "top team", Kind: format.Text, Help: "whose executions read it most often"}
	lastRead := format.Column{Name: "last_read", Title: "last read", Kind: format.Minute, Help: "in the window; start of the quarter hour"}
	return []View{
		{
			Name: "tables", Summary: "tables by the cost of what touched them: readers, reads, writes; a query counts whole for each of its tables",
			Columns: columns(tableName, wide(databaseAccessed), wide(account), region,
				format.Column{Name: "readers", Kind: format.Count, Help: "different humans who read it"},
				format.Column{Name: "readers_per_day", Title: "a day", Kind: format.Number, Help: "humans who read it on a day, on average of all days of the window in the time zone asked for"},
				wide(format.Column{Name: "readers_most", Title: "most", Kind: format.Count, Help: "humans who read it on the day with most of them"}), readers30,
				wide(executions), wide(failed), reads, writes, wide(format.Column{Name: "writers", Kind: format.Count, Help: "different people and services that changed it"}),
				wholeScanned, wholeCost, currency, wide(costBefore), change, wide(coverage),
				lastRead, wide(format.Column{Name: "last_write", Title: "last write", Kind: format.Minute, Help: "in the window; start of the quarter hour"}), topTeam),
			source: "tables", rollup: true, before: true, calendar: byDay, sqlOnly: true, Limit: manyRows,
		},
		{
			Name: "databases-accessed", Summary: "databases by the cost of what touched their tables; a query counts whole for each of its databases",
			Columns: columns(databaseAccessed, wide(account), region, people, executions, wide(failed), wholeScanned, wholeCost, currency,
				wide(costBefore), change, wide(coverage), help(lastSeen, "start of the quarter hour of the newest execution"), help(topTeam, "whose executions touched it most often")),
			source: "databases_accessed", before: true, sqlOnly: true, Limit: manyRows,
		},
		{
			Name: "who-reads", Argument: "TABLE", Summary: "who reads and writes one table, with what: catalog.database.table, database.table or table",
			Columns: columns(person, wide(personKind), wide(personSource), team, tool, wide(account), wide(region), executions, wide(failed), reads, writes,
				wholeScanned, wholeCost, currency,
				format.Column{Name: "first_seen", Title: "first", Kind: format.Time, Help: "in the window"}, format.Column{Name: "last_run", Title: "last", Kind: format.Time},
				help(executionID, "the newest")),
			source: "query_executions", sqlOnly: true, Limit: manyRows, resolve: tableNamedBy,
		},
		{
			Name: "unused", Summary: "tables that nobody read in the window, those first that cost most to write: those of the catalog where it is known, and those that some statement of the lake named",
			Columns: columns(tableName, wide(databaseAccessed), wide(account), region,
				format.Column{Name: "known_from", Title: "known from", Kind: format.Text, Help: "catalog: no statement of the lake named it; statements: the catalog does not have it, or was not asked; both"},
				format.Column{Name: "days_unread", Title: "unread", Kind: format.Count, Help: "whole days to the window's end from the last read, or from when the lake first saw the table; of one that no statement named, from its creation, or from when the lake begins"},
				format.Column{Name: "last_read", Title: "last read", Kind: format.Time, Help: "ever, as far as the lake goes back"},
				format.Column{Name: "last_write", Title: "last write", Kind: format.Time, Help: "by a statement, ever; of a table whose last change was DROP there is no row"},
				format.Column{Name: "table_bytes", Title: "size", Kind: format.Bytes, Help: "as the catalog's statistics have it, which a crawler or ANALYZE writes"},
				format.Column{Name: "table_format", Title: "format", Kind: format.Text, Help: "of its files, by the catalog"},
				wide(format.Column{Name: "table_type", Title: "type", Kind: format.Text, Help: "table, view or link, by the catalog"}),
				wide(format.Column{Name: "created_at", Title: "created", Kind: format.Time, Help: "by the catalog"}),
				wide(format.Column{Name: "updated_at", Title: "changed", Kind: format.Time, Help: "when its entry in the catalog changed last, which a write does that Athena knows nothing of"}),
				format.Column{Name: "readers_before", Title: "readers before", Kind: format.Count, Help: "different humans who read it before the window"},
				format.Column{Name: "writes", Kind: format.Count, Help: "executions that changed it in the window"},
				wide(format.Column{Name: "writers", Kind: format.Count, Help: "different people and services that did"}),
				format.Column{Name: "write_cost", Title: "write cost", Kind: format.Money, Help: "of these executions, each whole"}, currency,
				wide(format.Column{Name: "first_seen", Title: "first seen", Kind: format.Time, Help: "the first statement that named it"})),
			source: "table_names", Limit: manyRows,
		},
		unusedAccessView(),
		{
			Name: "patterns", Summary: "queries that are the same but for their literals: runs, people, cost, each, against the window before",
			Columns: columns(format.Column{Name: "query_fingerprint", Title: "pattern", Kind: format.ID, Help: "of the SQL without literals, comments and white space; empty where the lake does not hold the SQL"},
				people, measures(), format.Column{Name: "cost_per_execution", Title: "each", Kind: format.Money, Help: "of the executions whose cost is known"},
				wide(format.Column{Name: "scanned_per_execution", Title: "scans each", Kind: format.Bytes, Help: "of the executions whose bytes are known"}),
				wide(failedPart), wide(help(tool, "(several) when the runs come from more than one")), wide(help(team, "(several) when the runs belong to more than one")),
				wide(format.Column{Name: "first_seen", Title: "first seen", Kind: format.Minute, Help: "in the window"}), wide(lastSeen),
				help(executionID, "the one that cost most"), format.Column{Name: "query_string", Title: "sql", Kind: format.SQL, Help: "of the newest run"}),
			source: "query_executions", extra: []string{"query_fingerprint", "query_execution_id", "event_id", "text_hash", "text_dt"}, before: true, sqlOnly: true, Limit: manyRows,
		},
	}
}

// tableNamedBy returns the full name of the table that the user means: by its
// full name, or by its last part or parts where they belong to one alone.
func tableNamedBy(ctx context.Context, d *DB, said string) (string, error) {
	name := strings.ToLower(strings.TrimSpace(said))
	found, err := d.texts(ctx, `SELECT DISTINCT table_name FROM (
    SELECT table_name FROM table_rollup
    UNION ALL
    SELECT t.table_name FROM query_executions CROSS JOIN UNNEST(tables_accessed) AS t (table_name)
) AS names WHERE table_name = ? OR substr(table_name, length(table_name) - length(?) + 1) = ? ORDER BY table_name LIMIT 6`, name, "."+name, "."+name)
	switch {
	case err != nil:
		return "", err
	case slices.Contains(found, name):
		return name, nil
	case len(found) == 0 || name == "":
		return "", usageError(fmt.Sprintf("unknown table %q: no statement of the lake names it; report tables lists those that were used", said))
	case len(found) == 1:
		return found[0], nil
	case len(found) > 5:
		return "", usageError(fmt.Sprintf("more than 5 tables are called %q: name one whole, %s among them", said, strings.Join(found[:5], ", ")))
	}
	return "", usageError(fmt.Sprintf("%d tables are called %q: name one of %s", len(found), said, strings.Join(found, ", ")))
}
