package report

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/duckdb/duckdb-go/v2"

	"github.com/athenatrail/athenatrail"
)

// Held roll-ups are a copy of usage_rollup in one file of DuckDB, beside the
// lake, which views read in place of the lake's many files:
//
//	usage_keys     every combination of the roll-up's key columns, numbered
//	usage_slots    its sums by quarter hour and number
//	usage_days     the same by day of a time zone
//	usage_months   the same by month
//	held_files     of which files of the lake each day's sums were made
//	held_version   what the file holds, and how
//
// A window is cut into whole months, whole days and the quarter hours at its
// edges, so that a year is some ten thousand rows. Only usage_keys says whose
// the sums are, so that is where a role's rule stands, and nothing reads the
// others without it.

// heldTables are the tables of the file that views read.
var heldTables = []string{"usage_keys", "usage_slots", "usage_days", "usage_months"}

// heldFormat changes when the file's tables or their meaning do.
const heldFormat = "1"

// heldSums are the columns of usage_rollup that are summed.
func heldSums() []string {
	var names []string
	for _, c := range columnsOf(reflect.TypeFor[athenatrail.UsageRollup]()) {
		switch c.name {
		case "slot", "max_scanned_bytes", "total_ms": // no view has them
		default:
			if !slices.Contains(rollupKeys(), c.name) {
				names = append(names, c.name)
			}
		}
	}
	return names
}

// summed returns the SQL of sums with the names of their columns.
func summed(names []string) string {
	list := make([]string, len(names))
	for i, name := range names {
		kind := "BIGINT"
		if name == "cost" {
			kind = "DECIMAL(38,9)"
		}
		list[i] = fmt.Sprintf("CAST(sum(%[1]s) AS %[2]s) AS %[1]s", name, kind)
	}
	return strings.Join(list, ", ")
}

// maxHeldAtOnce is how many changed days [Hold] reads without being told to
// take its time.
const maxHeldAtOnce = 40

// ErrMuch is what [Hold] says when more days changed than a reader should wait
// for.
var ErrMuch = errors.New("many days of the lake changed")

// heldRun is how many days are read from the lake at a time, which bounds
// memory.
const heldRun = 30

// holdUsage is [Hold] of the roll-ups of usage.
func holdUsage(ctx context.Context, lake, file string, zone *time.Location, patient bool) (changed bool, err error) {
	files, err := tableFiles(lake, "tables/usage_rollup_*")
	if err != nil {
		return false, err
	}
	days, kept, err := heldDays(ctx, file, heldVersion(zone), files)
	if err != nil || kept && len(days) == 0 {
		return false, err
	}
	if len(days) > maxHeldAtOnce && !patient {
		return false, ErrMuch
	}
	return true, replaceHeld(file, kept, func(next string) error { return holdIn(ctx, lake, next, zone, files, days, kept) })
}

// replaceHeld replaces a file by what fill makes of a copy of it, or from
// nothing where it cannot be kept.
func replaceHeld(file string, kept bool, fill func(next string) error) error {
	next, err := os.CreateTemp(filepath.Dir(file), ".held-*")
	if err != nil {
		return err
	}
	defer os.Remove(next.Name())
	defer os.Remove(next.Name() + ".wal")
	if kept {
		err = copyFrom(next, file)
	}
	err = errors.Join(err, next.Close())
	if err == nil && !kept {
		err = os.Remove(next.Name()) // DuckDB makes a file that is not there, and takes no empty one
	}
	if err == nil {
		err = fill(next.Name())
	}
	if err == nil {
		err = syncFile(next.Name()) // DuckDB would find only later that a part is missing
	}
	if err == nil {
		err = os.Rename(next.Name(), file)
	}
	return err
}

// syncFile puts a file on disk.
func syncFile(name string) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0) // Windows syncs nothing that is opened to read
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func copyFrom(to *os.File, file string) error {
	from, err := os.Open(file)
	if err != nil {
		return err
	}
	defer from.Close()
	_, err = io.Copy(to, from)
	return err
}

// heldDays returns the days of the lake that a file does not hold as they are,
// in order, and whether the file can be kept for the others: it is there, of
// this version and whole.
func heldDays(ctx context.Context, file, version string, files map[athenatrail.Date]string) (days []athenatrail.Date, kept bool, err error) {
	had, err := heldFiles(ctx, file, version)
	if ctx.Err() != nil {
		return nil, false, ctx.Err()
	}
	kept = err == nil
	for day, is := range files {
		if had[day] != is {
			days = append(days, day)
		}
	}
	for day := range had {
		if files[day] == "" {
			days = append(days, day)
		}
	}
	slices.Sort(days)
	return days, kept, nil
}

// heldFiles returns of which files of the lake a file's days were made.
func heldFiles(ctx context.Context, file, version string) (map[athenatrail.Date]string, error) {
	if _, err := os.Stat(file); err != nil {
		return nil, err
	}
	connector, err := duckdb.NewConnector(":memory:?"+settings(Options{Threads: 1}, filepath.Dir(file)), nil)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	if _, err := db.ExecContext(ctx, "ATTACH "+quote(filepath.ToSlash(file))+" AS held (READ_ONLY)"); err != nil {
		return nil, err
	}
	var is string
	if err := db.QueryRowContext(ctx, "SELECT version FROM held.held_version").Scan(&is); err != nil {
		return nil, err
	}
	if is != version {
		return nil, fmt.Errorf("version %s", is)
	}
	rows, err := db.QueryContext(ctx, "SELECT day, files FROM held.held_files")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	had := map[athenatrail.Date]string{}
	for rows.Next() {
		var day athenatrail.Date
		var files string
		if err := rows.Scan(&day, &files); err != nil {
			return nil, err
		}
		had[day] = files
	}
	return had, rows.Err()
}

// heldVersion is what a file has to say of itself.
func heldVersion(zone *time.Location) string {
	return heldFormat + " " + zone.String() + " " + strings.Join(append(rollupKeys(), heldSums()...), " ")
}

// tableFiles returns, for each day, a text that changes when the day's files
// below the folders do.
func tableFiles(lake, pattern string) (map[athenatrail.Date]string, error) {
	found := map[athenatrail.Date]string{}
	folders, err := filepath.Glob(filepath.Join(lake, filepath.FromSlash(pattern)))
	if err != nil {
		return nil, err
	}
	for _, folder := range folders {
		days, err := os.ReadDir(folder)
		if err != nil {
			return nil, err
		}
		for _, day := range days {
			name, ok := strings.CutPrefix(day.Name(), "dt=")
			date, err := athenatrail.ParseDate(name)
			if !ok || err != nil {
				continue
			}
			entries, err := os.ReadDir(filepath.Join(folder, day.Name()))
			if err != nil {
				return nil, err
			}
			h := fnv.New128a()
			n := 0
			for _, e := range entries {
				info, err := e.Info()
				if err != nil || !strings.HasSuffix(e.Name(), ".parquet") {
					continue // taken away meanwhile, or being written
				}
				n++
				fmt.Fprintf(h, "%s %d %d\n", e.Name(), info.Size(), info.ModTime().UnixNano())
			}
			if n > 0 {
				found[date] += fmt.Sprintf("%s %x ", filepath.Base(folder), h.Sum(nil))
			}
		}
	}
	return found, nil
}

// A holder writes the file of held roll-ups.
type holder struct {
	ctx  context.Context
	db   *sql.DB
	zone *time.Location
}

func (h *holder) do(format string, args ...any) error {
	_, err := h.db.ExecContext(h.ctx, fmt.Sprintf(format, args...))
	return oneLine(err)
}

func holdIn(ctx context.Context, lake, file string, zone *time.Location, files map[athenatrail.Date]string, days []athenatrail.Date, kept bool) error {
	d, err := start(ctx, lake, Options{TimeZone: zone, MemoryLimit: "512MB", Threads: 1})
	if err != nil {
		return err
	}
	defer d.Close()
	d.db.SetMaxOpenConns(1) // temporary tables are of one connection
	h := &holder{ctx, d.db, zone}
	if err := h.do("ATTACH %s AS held", quote(filepath.ToSlash(file))); err != nil {
		return err
	}
	if !kept {
		if err := h.create(); err != nil {
			return err
		}
	}
	for len(days) > 0 {
		n := 1
		for n < len(days) && n < heldRun && days[n] == days[n-1]+1 {
			n++
		}
		if err := h.replace(days[:n], files); err != nil {
			return err
		}
		days = days[n:]
	}
	if err := h.do("CHECKPOINT held"); err != nil {
		return err
	}
	return h.do("DETACH held")
}

// create makes the tables.
func (h *holder) create() error {
	keys, sums := strings.Join(rollupKeys(), ", "), strings.Join(heldSums(), ", ")
	for _, s := range []string{
		"CREATE TABLE held.held_version AS SELECT " + quote(heldVersion(h.zone)) + " AS version",
		"CREATE TABLE held.held_files (day INTEGER, files VARCHAR)",
		"CREATE TABLE held.usage_keys AS SELECT CAST(0 AS INTEGER) AS key_id, " + keys + " FROM usage_rollup WHERE false",
		"CREATE TABLE held.usage_slots AS SELECT slot AS moment, slot, CAST(0 AS INTEGER) AS key_id, " + sums + " FROM usage_rollup WHERE false",
		"CREATE TABLE held.usage_days AS SELECT moment, slot, key_id, " + summed(heldSums()) + " FROM held.usage_slots GROUP BY moment, slot, key_id",
		"CREATE TABLE held.usage_months AS SELECT * FROM held.usage_days",
	} {
		if err := h.do("%s", s); err != nil {
			return err
		}
	}
	return nil
}

// replace holds days anew that follow each other.
func (h *holder) replace(days []athenatrail.Date, files map[athenatrail.Date]string) error {
	from, to := days[0].Time(), (days[len(days)-1] + 1).Time()
	keys := rollupKeys()
	var of, same []string
	for _, k := range keys {
		of, same = append(of, "r."+k), append(same, "k."+k+" IS NOT DISTINCT FROM r."+k)
	}
	alike := strings.Join(same, " AND ")
	var sums []string
	for _, name := range heldSums() {
		sums = append(sums, "r."+name)
	}
	for _, s := range []string{
		"CREATE OR REPLACE TEMP TABLE read AS SELECT * FROM usage_rollup WHERE dt >= " + date(from) + " AND dt < " + date(to),
		"INSERT INTO held.usage_keys SELECT (SELECT count(*) FROM held.usage_keys) + row_number() OVER (), " + strings.Join(of, ", ") +
			" FROM (SELECT DISTINCT " + strings.Join(keys, ", ") + " FROM read) AS r WHERE NOT EXISTS (SELECT 1 FROM held.usage_keys AS k WHERE " + alike + ")",
		"DELETE FROM held.usage_slots WHERE slot >= " + timestamp(from) + " AND slot < " + timestamp(to),
		"INSERT INTO held.usage_slots SELECT r.slot, r.slot, k.key_id, " + strings.Join(sums, ", ") +
			" FROM read AS r JOIN held.usage_keys AS k ON " + alike + " ORDER BY r.slot",
		"DROP TABLE read",
	} {
		if err := h.do("%s", s); err != nil {
			return err
		}
	}
	for _, grain := range []struct{ unit, table, of string }{{byDay, "usage_days", "usage_slots"}, {byMonth, "usage_months", "usage_days"}} {
		first, last := lastEdge(grain.unit, from, h.zone), nextEdge(grain.unit, to.Add(-athenatrail.SlotLength), h.zone)
		units, err := buckets(grain.unit, first, last, h.zone)
		if err != nil {
			return err
		}
		var starts []string
		for _, u := range units {
			starts = append(starts, fmt.Sprintf("(%s, %s)", timestamp(u.start), timestamp(u.stop)))
		}
		within := "moment >= " + timestamp(first) + " AND moment < " + timestamp(last)
		if err := h.do("DELETE FROM held.%s WHERE %s", grain.table, within); err != nil {
			return err
		}
		err = h.do(`INSERT INTO held.%s
SELECT m.starts, max(s.slot), s.key_id, %s
FROM held.%s AS s
JOIN (
    SELECT d.moment, c.starts
    FROM (SELECT DISTINCT moment FROM held.%[3]s WHERE %[4]s) AS d
    JOIN (VALUES %[5]s) AS c (starts, stops) ON d.moment >= c.starts AND d.moment < c.stops
) AS m ON m.moment = s.moment
GROUP BY m.starts, s.key_id ORDER BY m.starts`, grain.table, summed(heldSums()), grain.of, within, strings.Join(starts, ", "))
		if err != nil {
			return err
		}
	}
	if err := h.do("DELETE FROM held.held_files WHERE day >= %d AND day <= %d", days[0], days[len(days)-1]); err != nil {
		return err
	}
	for _, day := range days {
		if files[day] != "" {
			if err := h.do("INSERT INTO held.held_files VALUES (%d, %s)", day, quote(files[day])); err != nil {
				return err
			}
		}
	}
	return nil
}

// lastEdge returns the last moment at or before t at which a unit begins.
func lastEdge(unit string, t time.Time, zone *time.Location) time.Time {
	back := 3 * 24 * time.Hour
	if unit == byMonth {
		back = 40 * 24 * time.Hour
	}
	edge := nextEdge(unit, t.Add(-back), zone)
	for next := nextEdge(unit, edge, zone); !next.After(t); next = nextEdge(unit, edge, zone) {
		edge = next
	}
	return edge
}

// A heldRange is a part of a window, and the table that answers for it.
type heldRange struct {
	table    string
	from, to time.Time
}

// heldRanges cuts a window into whole units, the longest first, and quarter
// hours.
func heldRanges(units []string, from, to time.Time, zone *time.Location) []heldRange {
	if !from.Before(to) {
		return nil
	}
	if len(units) == 0 {
		return []heldRange{{"usage_slots", from, to}}
	}
	unit := units[0]
	first, last := lastEdge(unit, from, zone), lastEdge(unit, to, zone)
	if first.Before(from) {
		first = nextEdge(unit, from, zone)
	}
	if !first.Before(last) {
		return heldRanges(units[1:], from, to, zone)
	}
	list := heldRanges(units[1:], from, first, zone)
	list = append(list, heldRange{"usage_" + unit + "s", first, last})
	return append(list, heldRanges(units[1:], last, to, zone)...)
}

// HeldRows returns the SELECT of the held roll-ups of the window by the units of
// the page's calendar, and of the one before, with the columns of base. Where
// units do not matter, views read what is gathered.
func (p *page) HeldRows() string {
	units, names := unitsWithin(p.Calendar), p.heldNames(p.Latencies)
	rows := p.heldUnion(append(heldRanges(units, p.since, p.from, p.zone), heldRanges(units, p.from, p.to, p.zone)...), names, timestamp)
	text := "SELECT h.moment, h.slot, " + strings.Join(rollupKeys(), ", ") + ",\n        " + strings.Join(names, ", ") +
		"\n    FROM (\n        " + rows + "\n    ) AS h JOIN usage_keys AS k ON k.key_id = h.key_id\n    WHERE true"
	if p.SQLOnly {
		text += " AND kind = 'sql'"
	}
	return text + p.AndWhere()
}

// unitsWithin returns the units of held sums that lie within one of a calendar,
// the longest first.
func unitsWithin(calendar string) []string {
	switch calendar {
	case byHour:
		return nil
	case byDay:
		return []string{byDay}
	}
	return []string{byMonth, byDay}
}

// heldNames returns the names of the held sums, of latencies only where they
// are wanted.
func (p *page) heldNames(latencies bool) []string {
	return slices.DeleteFunc(heldSums(), func(s string) bool { return !latencies && strings.HasPrefix(s, "latency_") })
}

// heldUnion returns the SELECT of the sums of parts of a window, whose edges
// write turns into SQL.
func (p *page) heldUnion(ranges []heldRange, names []string, write func(time.Time) string) string {
	var parts []string
	for _, r := range ranges {
		parts = append(parts, "SELECT moment, slot, key_id, "+strings.Join(names, ", ")+" FROM "+r.table+
			" WHERE moment >= "+write(r.from)+" AND moment < "+write(r.to))
	}
	return strings.Join(parts, "\n        UNION ALL ")
}
