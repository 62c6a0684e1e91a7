package report

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/duckdb/duckdb-go/v2"
)

// A heldReader answers views of usage from held roll-ups. It has a DuckDB of
// its own with one thread: what these views read is small, and to share it out
// among threads takes longer than to read it. Statements that are asked for at
// a time run side by side, each on a connection of its own.
//
// A connection first gathers the sums of a window that conditions let through,
// which are some thousand rows, into a table in memory. The views of a page
// have these in common, and read that table. So their SQL names no time and no
// value, and is planned once.
type heldReader struct {
	db    *sql.DB
	temp  string
	slots chan struct{}

	mu   sync.Mutex
	idle []*heldConn // the one that was used last at the end
}

// A heldConn is one connection, with what its tables in memory hold.
type heldConn struct {
	conn       *sql.Conn
	work       string // the database with its tables
	gathered   string // the key of the gathering that is in them
	latencies  bool   // with the counts of latencies
	units      map[string]string
	statements map[string]*sql.Stmt
}

// heldMemory is what the reader's DuckDB may take.
const heldMemory = "384MB"

// A gathering is how the table gathered is filled for a statement.
type gathering struct {
	rows      string // the SELECT without the counts of latencies
	whole     string // with them
	args      []any
	latencies bool // they are needed
}

func (g *gathering) key() string { return fmt.Sprintf("%s %q", g.rows, g.args) }

// openHeld opens the file of held roll-ups as far as a scope lets it be seen.
func openHeld(ctx context.Context, at location, o Options, s Scope) (*heldReader, error) {
	temp, err := os.MkdirTemp(o.TempDir, "athenatrail-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for DuckDB to spill into: %w", err)
	}
	connector, err := duckdb.NewConnector(":memory:?"+settings(Options{Threads: 1, MemoryLimit: heldMemory}, temp), nil)
	if err != nil {
		os.Remove(temp)
		return nil, oneLine(err)
	}
	r := &heldReader{db: sql.OpenDB(connector), temp: temp}
	if err := r.prepare(ctx, at, o.Held, s); err != nil {
		r.close()
		return nil, oneLine(err)
	}
	return r, nil
}

func (r *heldReader) prepare(ctx context.Context, at location, file string, s Scope) error {
	reference := tableNamed("reference")
	open, closed, err := reference.present(filepath.FromSlash(at.path))
	if err != nil {
		return err
	}
	body := reference.source(at, open, closed)
	if restricted := s.restrict(reference, body); restricted != "" {
		body = restricted
	}
	statements := []string{
		// Plans are kept, and what is gathered changes below them: nothing may
		// be left out of a plan because of the values that were there when it
		// was made.
		"SET disabled_optimizers = 'statistics_propagation,compressed_materialization'",
		"ATTACH " + quote(filepath.ToSlash(file)) + " AS held (READ_ONLY)",
		"CREATE TEMP VIEW reference AS\n" + body,
		// What is known of accounts and work groups is read once: every change
		// of it opens the lake anew.
		"CREATE TABLE accounts AS " + accountsView(duckDB),
		"CREATE TABLE work_groups AS " + workGroupsView(duckDB),
		"DROP VIEW reference",
	}
	for _, name := range heldTables {
		statements = append(statements, "CREATE VIEW "+name+" AS SELECT * FROM held."+name)
	}
	statements = append(statements, "CREATE OR REPLACE VIEW usage_keys AS SELECT * FROM held.usage_keys WHERE "+s.condition(), "SET GLOBAL TimeZone = 'UTC'")
	first, err := r.db.Conn(ctx)
	if err != nil {
		return err
	}
	for _, statement := range statements {
		if _, err := first.ExecContext(ctx, statement); err != nil {
			return errors.Join(err, first.Close())
		}
	}
	readers := max(2, runtime.NumCPU())
	r.slots = make(chan struct{}, readers)
	for n := range readers {
		conn := first
		if n > 0 {
			if conn, err = r.db.Conn(ctx); err != nil {
				return err
			}
		}
		c := &heldConn{conn: conn, work: fmt.Sprintf("work_%d", n), units: map[string]string{}, statements: map[string]*sql.Stmt{}}
		r.idle = append(r.idle, c)
		if err := c.create(ctx); err != nil {
			return err
		}
	}
	for _, statement := range []string{"SET enable_external_access = false", "SET lock_configuration = true"} {
		if _, err := first.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// create makes the connection's tables. Views find them by names that are the
// same on every connection, for their SQL is.
func (c *heldConn) create(ctx context.Context) error {
	statements := []string{
		"ATTACH ':memory:' AS " + c.work,
		"CREATE TABLE " + c.work + ".gathered AS SELECT true AS cur, d.moment, d.slot, d.key_id, " + strings.Join(rollupKeys(), ", ") + ", " + strings.Join(heldSums(), ", ") +
			" FROM usage_days AS d JOIN usage_keys AS k ON k.key_id = d.key_id WHERE false",
		"CREATE TABLE " + c.work + ".units_day (starts TIMESTAMP, label DATE)",
		"CREATE TABLE " + c.work + ".units_hour (starts TIMESTAMP, label TIMESTAMP)",
		"CREATE TABLE " + c.work + ".units_month (starts TIMESTAMP, label VARCHAR)",
	}
	for _, name := range []string{"gathered", "units_day", "units_hour", "units_month"} {
		statements = append(statements, "CREATE TEMP VIEW "+name+" AS SELECT * FROM "+c.work+"."+name)
	}
	for _, statement := range statements {
		if _, err := c.conn.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

func (r *heldReader) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.idle {
		c.forget()
		c.conn.Close()
	}
	return errors.Join(r.db.Close(), os.RemoveAll(r.temp))
}

// forget closes the statements that were planned.
func (c *heldConn) forget() {
	for _, s := range c.statements {
		s.Close()
	}
	clear(c.statements)
}

// take returns a connection for the caller alone, if there is one with what
// is gathered already; it has to be given back.
func (r *heldReader) take(ctx context.Context, key string) (*heldConn, error) {
	select {
	case r.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	i := max(0, slices.IndexFunc(r.idle, func(c *heldConn) bool { return c.gathered == key }))
	c := r.idle[i]
	r.idle = slices.Delete(r.idle, i, i+1)
	return c, nil
}

func (r *heldReader) give(c *heldConn) {
	r.mu.Lock()
	r.idle = append(r.idle, c)
	r.mu.Unlock()
	<-r.slots
}

// maxPlanned is how many statements a connection keeps planned. A page has up
// to eleven.
const maxPlanned = 80

// with calls read with the rows of a statement.
func (r *heldReader) with(ctx context.Context, s statement, read func(*sql.Rows) error) error {
	key := ""
	if s.gather != nil {
		key = s.gather.key()
	}
	c, err := r.take(ctx, key)
	if err != nil {
		return err
	}
	defer r.give(c)
	if s.gather != nil {
		if err := c.gather(ctx, s.gather, key); err != nil {
			return err
		}
	}
	if s.units != nil {
		if err := c.fillUnits(ctx, s.unit, s.units); err != nil {
			return err
		}
	}
	var rows *sql.Rows
	if s.planned {
		planned := c.statements[s.sql]
		if planned == nil {
			if len(c.statements) >= maxPlanned {
				c.forget()
			}
			if planned, err = c.conn.PrepareContext(ctx, s.sql); err != nil {
				return err
			}
			c.statements[s.sql] = planned
		}
		rows, err = planned.QueryContext(ctx, s.args...)
	} else {
		rows, err = c.conn.QueryContext(ctx, s.sql, s.args...)
	}
	if err != nil {
		return err
	}
	defer rows.Close()
	return read(rows)
}

// gather fills the table gathered, unless it has what is wanted.
func (c *heldConn) gather(ctx context.Context, g *gathering, key string) error {
	if c.gathered == key && (c.latencies || !g.latencies) {
		return nil
	}
	c.gathered = ""
	if err := c.empty(ctx, "gathered"); err != nil {
		return err
	}
	rows := g.rows
	if g.latencies {
		rows = g.whole
	}
	if _, err := c.conn.ExecContext(ctx, "INSERT INTO "+c.work+".gathered BY NAME "+rows, g.args...); err != nil {
		return err
	}
	c.gathered, c.latencies = key, g.latencies
	return nil
}

// empty takes the rows out of a table in memory. Their room is only free after
// a checkpoint.
func (c *heldConn) empty(ctx context.Context, table string) error {
	for _, statement := range []string{"DELETE FROM " + c.work + "." + table, "CHECKPOINT " + c.work} {
		if _, err := c.conn.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// fillUnits fills the table of a calendar's units. SQL with some thousand
// values would take longer than the view that needs them.
func (c *heldConn) fillUnits(ctx context.Context, unit string, list []bucket) error {
	key := fmt.Sprint(list[0].start, list[len(list)-1].stop)
	if c.units[unit] == key {
		return nil
	}
	delete(c.units, unit)
	if err := c.empty(ctx, "units_"+unit); err != nil {
		return err
	}
	err := c.conn.Raw(func(raw any) error {
		appender, err := duckdb.NewAppender(raw.(driver.Conn), c.work, "main", "units_"+unit)
		if err != nil {
			return err
		}
		for _, b := range list {
			if err := appender.AppendRow(b.start.UTC(), b.value); err != nil {
				return errors.Join(err, appender.Close())
			}
		}
		return appender.Close()
	})
	if err != nil {
		return err
	}
	c.units[unit] = key
	return nil
}

// gathers returns how the sums of the page's window are gathered, and lays
// aside what was bound for it.
func (p *page) gathers(latencies bool) *gathering {
	g := &gathering{latencies: latencies}
	p.args = nil
	g.rows = p.gatherRows(false)
	g.args = p.args
	p.args = nil
	g.whole = p.gatherRows(true)
	p.args = nil
	return g
}

// gatherRows returns the SELECT of one row for each key and window.
func (p *page) gatherRows(latencies bool) string {
	names := p.heldNames(latencies)
	rows := p.heldUnion(append(heldRanges([]string{byMonth, byDay}, p.since, p.from, p.zone), heldRanges([]string{byMonth, byDay}, p.from, p.to, p.zone)...), names, timestamp)
	return "SELECT h.cur, h.moment, h.slot, h.key_id, " + strings.Join(rollupKeys(), ", ") + ",\n        " + strings.Join(names, ", ") +
		"\n    FROM (\n        SELECT moment >= " + p.From + " AS cur, max(moment) AS moment, max(slot) AS slot, key_id, " + summed(names) + " FROM (\n        " + rows +
		"\n    ) AS held GROUP BY key_id, cur\n    ) AS h JOIN usage_keys AS k ON k.key_id = h.key_id\n    WHERE true" + p.AndWhere()
}

// HeldUnits returns the SELECT of the sums of the window by moments of the
// page's calendar, of all keys. Its times are bound, for its plan is kept.
func (p *page) HeldUnits() string {
	return p.heldUnion(heldRanges(unitsWithin(p.Calendar), p.from, p.to, p.zone), p.heldNames(false), func(t time.Time) string {
		p.args = append(p.args, t.UTC())
		return "CAST(? AS TIMESTAMP)"
	})
}

// heldValues returns the SELECT of how many executions each key has between
// two times.
func heldValues(from, to time.Time, zone *time.Location) string {
	p := &page{}
	return "SELECT k.*, h.executions FROM (SELECT key_id, sum(executions) AS executions FROM (" +
		p.heldUnion(heldRanges([]string{byMonth, byDay}, from, to, zone), []string{"executions"}, timestamp) +
		") AS held GROUP BY key_id) AS h JOIN usage_keys AS k ON k.key_id = h.key_id"
}
