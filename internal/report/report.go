// Package report answers questions from a lake. It reads the lake's tables
// with an embedded DuckDB and is the only package that links it.
//
//	tables/*.parquet -> SQL views -> view/NAME.sql -> format.Result
//
// [Open] lays SQL views over the files: query_executions, activity,
// usage_rollup, query_texts, and queries, which is query_executions with the
// SQL. The program's own views ([Views]) are one SELECT each in view/NAME.sql,
// in the SQL that DuckDB shares with Trino and Athena; what a user typed
// reaches them as bound parameters only. [DB.Query] runs a user's own SELECT,
// [DB.Who] finds everything held of one id, and [DDL] writes the same SQL views
// for a user's own DuckDB.
//
// An open database reads the lake's files and nothing else: no other file, no
// network, no extensions, and a user's statement cannot change that.
package report

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/duckdb/duckdb-go/v2"
)

// Options are how to open a lake. The zero value is right for most.
type Options struct {
	// TimeZone is where days, hours and months begin and in which times are
	// shown. Nil is UTC.
	TimeZone *time.Location

	Threads     int    // zero is one per core
	MemoryLimit string // such as 2GB; empty is 1GB. Beyond it DuckDB spills into TempDir
	TempDir     string // empty is the system's

	// Held is a file that [Hold] made of this lake and time zone, which is then
	// read in the place of the lake's many files; empty is none.
	Held string
}

// A DB is an open lake. It is safe for concurrent use.
type DB struct {
	db   *sql.DB
	in   dialect
	at   location
	zone *time.Location
	temp string // empty where another engine reads
	held bool   // roll-ups and rows are held

	// billed says that bills are kept in the lake. What another engine reads is
	// not looked into for it: there the overview has no bill.
	billed bool

	reader *heldReader // of held roll-ups; nil without
}

// Open opens the lake in a folder. Tables without files are empty, so a folder
// with nothing in it opens; one that is not there is an error that wraps
// [os.ErrNotExist].
func Open(ctx context.Context, lake string, o Options) (*DB, error) {
	return OpenScoped(ctx, lake, o, Scope{})
}

// start opens the lake in a folder, and leaves open what a statement may do.
func start(ctx context.Context, lake string, o Options) (*DB, error) {
	lake, err := lakePath(lake)
	if err != nil {
		return nil, fmt.Errorf("open lake %s: %w", lake, err)
	}
	temp, err := os.MkdirTemp(o.TempDir, "athenatrail-")
	if err != nil {
		return nil, fmt.Errorf("open lake %s: make a folder for DuckDB to spill into: %w", lake, err)
	}
	connector, err := duckdb.NewConnector(":memory:?"+settings(o, temp), nil)
	if err != nil {
		os.Remove(temp)
		return nil, fmt.Errorf("open lake %s: start DuckDB: %w", lake, oneLine(err))
	}
	d := &DB{db: sql.OpenDB(connector), in: duckDB, zone: o.TimeZone, temp: temp}
	if d.zone == nil {
		d.zone = time.UTC
	}
	d.at, err = boundaryOf(ctx, d.db, lake)
	var statements []string
	if err == nil {
		statements, err = viewStatements(d.at, func(t table) (bool, bool, error) { return t.present(lake) })
	}
	if err == nil {
		d.billed, _, err = tableNamed("bill").present(lake)
	}
	if err != nil {
		d.Close()
		return nil, fmt.Errorf("open lake %s: %w", lake, err)
	}
	for _, s := range append(statements, "SET GLOBAL TimeZone = 'UTC'") {
		if _, err := d.db.ExecContext(ctx, s); err != nil {
			d.Close()
			return nil, fmt.Errorf("open lake %s: %w", lake, oneLine(err))
		}
	}
	return d, nil
}

// Close ends the database. Results of [DB.Query] that were not read to their
// end must not be used after it.
func (d *DB) Close() error {
	if d.reader != nil {
		defer d.reader.close()
	}
	if d.temp == "" {
		return d.db.Close()
	}
	return errors.Join(d.db.Close(), os.RemoveAll(d.temp))
}

// TimeZone returns the zone that the database was opened with.
func (d *DB) TimeZone() *time.Location { return d.zone }

// lakePath returns the folder's absolute path with forward slashes.
func lakePath(lake string) (string, error) {
	abs, err := filepath.Abs(lake)
	if err != nil {
		return lake, err
	}
	info, err := os.Stat(abs)
	if err != nil {
		return lake, err
	}
	if !info.IsDir() {
		return lake, errors.New("not a folder")
	}
	abs = filepath.ToSlash(abs)
	if strings.ContainsAny(abs, "*?[]{}\\") {
		return lake, errors.New("DuckDB takes * ? [ ] { } in a path for patterns: move the lake to a folder without them")
	}
	return abs, nil
}

func settings(o Options, temp string) string {
	threads := o.Threads
	if threads <= 0 {
		threads = runtime.NumCPU()
	}
	memory := o.MemoryLimit
	if memory == "" {
		memory = "1GB"
	}
	return url.Values{
		"autoinstall_known_extensions": {"false"},
		"autoload_known_extensions":    {"false"},
		"allow_community_extensions":   {"false"},
		"threads":                      {strconv.Itoa(threads)},
		"memory_limit":                 {memory},
		"temp_directory":               {filepath.ToSlash(temp)},
	}.Encode()
}

// lockdown returns the statements after which no statement reaches beyond the
// tables' files. DuckDB has folders that may be read and written, or none, so
// that nothing is written is the work of [guard].
func lockdown(lake string) []string {
	var folders []string
	for _, t := range tables {
		folders = append(folders, quote(lake+"/"+t.folder))
		if t.closed != "" {
			folders = append(folders, quote(lake+"/"+t.closed))
		}
	}
	return []string{
		// Files are replaced in their places while others read them: what is
		// remembered by their names may be of another.
		"SET enable_external_file_cache = false",
		"SET allowed_directories = [" + strings.Join(folders, ", ") + "]",
		"SET enable_external_access = false",
		"SET lock_configuration = true",
	}
}

// oneLine turns DuckDB's error into one line: its own words without the excerpt
// of the statement that it draws below them, and without suggestions from its
// own catalog.
func oneLine(err error) error {
	var derr *duckdb.Error
	if err == nil || !errors.As(err, &derr) {
		return err
	}
	text, _, _ := strings.Cut(derr.Msg, "\n\nLINE ")
	var kept []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(strings.TrimSpace(line), "!.")
		if line == "" || strings.HasPrefix(line, `Did you mean "pg_`) || strings.HasPrefix(line, `Did you mean "duckdb_`) {
			continue
		}
		if line = lowerFirst(line); len(kept) < 3 {
			kept = append(kept, line)
		}
	}
	return &engineError{strings.Join(kept, "; "), err}
}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }

// An engineError is what DuckDB said, on one line.
type engineError struct {
	text  string
	cause error
}

func (e *engineError) Error() string { return e.text }
func (e *engineError) Unwrap() error { return e.cause }
