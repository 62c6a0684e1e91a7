package lake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"iter"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/lake/rowfile"
)

// A Problem is something in a lake that ought not to be.
type Problem struct {
	Path string // the file's key
	What string // what is wrong with it
	Hint string // what to do about it
}

func (p Problem) String() string { return p.Path + ": " + p.What }

const (
	hintRebuild = `run "athenatrail lake rebuild --all": tables are derived from facts`
	hintClosed  = `remove the file and run "athenatrail lake rebuild --all": tables are derived from facts`
	hintFacts   = `restore the file from a backup; or remove it, and the ledger's files of that account, region and the days from then on, and collect again while the trail still has them`
	hintForeign = "move it elsewhere if athenatrail did not write it"
	hintNewer   = "if a newer athenatrail wrote it, use that one"
	hintLedger  = "remove the file and collect again: its log files are then read again, which changes nothing that is there"
)

// A verifier is a dataset that can check its files.
type verifier interface {
	Dataset
	verify(ctx context.Context, p athenatrail.Partition, data []byte, problem func(format string, args ...any)) error
	hint() string
}

var verifiers = []verifier{
	Events, SessionEvents, Details, QueryTexts, RoleSessions, DataAccess, References, Catalog, LimitActions, Notices, BillLines,
	QueryExecutions, Activity, Sessions, Calculations, UsageRollup, TableRollup,
}

// Verify reads every file whose key begins with prefix and yields what is
// wrong, ordered by path: files that cannot be opened or decoded, that do not
// lie where their rows belong, whose rows are not in order or not unique, and
// files that are not the lake's. Last come query executions that have a row on
// several days. That a file could not be fetched at all is a problem as well.
func Verify(ctx context.Context, l *Lake, prefix string) iter.Seq[Problem] {
	return func(yield func(Problem) bool) {
		v := &verification{lake: l, seed: maphash.MakeSeed()}
		stopped := false
		v.yield = func(p Problem) {
			if !stopped && !yield(p) {
				stopped = true
			}
		}
		boundary, err := l.Boundary(ctx)
		if err != nil {
			v.yield(Problem{Path: boundaryKey, What: err.Error(), Hint: `remove it and run "athenatrail lake rebuild --all": all days are open then`})
		}
		v.boundary = boundary
		for file, err := range l.List(ctx, prefix) {
			if err != nil {
				v.yield(Problem{Path: prefix, What: err.Error()})
				break
			}
			v.file(ctx, file)
			if stopped {
				return
			}
		}
		v.duplicates(ctx)
	}
}

type verification struct {
	lake     *Lake
	yield    func(Problem)
	boundary Boundary

	// ids holds a hash of every query execution id, as the ids themselves of
	// a large lake are too many to hold.
	seed  maphash.Seed
	ids   []uint64
	files []athenatrail.Partition
}

var (
	ledgerName = regexp.MustCompile(`^[A-Za-z0-9-]{1,40}/[A-Za-z0-9-]{1,40}/\d{4}-\d\d-\d\d\.parquet$|^other/[0-9a-f]{2}\.parquet$`)
	markName   = regexp.MustCompile(`^\d{4}-\d\d-\d\d/[A-Za-z0-9-]{1,40}_[A-Za-z0-9-]{1,40}/[^/]+$`)
	openName   = regexp.MustCompile(`^open/\d{4}-\d\d-\d\d/[A-Za-z0-9-]{1,40}_[A-Za-z0-9-]{1,40}$`)
	gapName    = regexp.MustCompile(`^\d{4}-\d\d-\d\d/[A-Za-z0-9-]{1,40}_[A-Za-z0-9-]{1,40}$`)
	sourceName = regexp.MustCompile(`^source/[0-9a-f]{16}\.json$`)
	movedName  = regexp.MustCompile(`^boundary/\d{4}-\d\d-\d\d$`)
	askedName  = regexp.MustCompile(`^asked/[a-z_]{1,40}/[A-Za-z0-9-]{1,40}_[A-Za-z0-9-]{1,40}/\d{4}-\d\d-\d\d(-[0-9a-f]{16})?$`)
)

func (v *verification) file(ctx context.Context, file File) {
	problem := func(hint, format string, args ...any) {
		v.yield(Problem{Path: file.Key, What: fmt.Sprintf(format, args...), Hint: hint})
	}
	if err := checkKey(file.Key); err != nil {
		problem(hintForeign, "the lake has no such file: %v", err)
		return
	}
	for _, t := range allTables {
		if name, ok := strings.CutPrefix(file.Key, t.closedDir()); ok {
			v.closed(ctx, t, file, name)
			return
		}
	}
	for _, d := range verifiers {
		if name, ok := strings.CutPrefix(file.Key, d.dir()); ok {
			v.partition(ctx, d, file, name)
			return
		}
	}
	name, isLedger := strings.CutPrefix(file.Key, "_ledger/v1/")
	mark, isMark := strings.CutPrefix(file.Key, dirtyDir)
	gap, isGap := strings.CutPrefix(file.Key, openDir)
	switch {
	case file.Key == manifestKey:
		if _, err := v.lake.Manifest(ctx); err != nil {
			problem("restore it from a backup", "%v", err)
		}
	case liesBeside(file.Key):
	case file.Key == boundaryKey: // it was read before
	case isMark && markName.MatchString(mark), isGap && gapName.MatchString(gap):
	case isLedger && (openName.MatchString(name) || movedName.MatchString(name) || askedName.MatchString(name)):
	case isLedger && (sourceName.MatchString(name) || file.Key == LimitStateKey):
		if data, ok := v.read(ctx, file); ok && !json.Valid(data) {
			problem("remove the file; the next run makes it again", "not JSON")
		}
	case isLedger && ledgerName.MatchString(name):
		if data, ok := v.read(ctx, file); ok {
			if _, err := rowfile.Check(data); err != nil {
				problem(hintLedger, "cannot be decoded: %v", err)
			}
		}
	case strings.HasPrefix(file.Key, privateDir):
		if _, err := v.lake.Read(ctx, file.Key); isDenied(err) || errors.Is(err, fs.ErrPermission) {
			return // as it should be for who only reads
		}
		if data, ok := v.read(ctx, file); ok {
			if what := privateProblem(file.Key, data); what != "" {
				problem("restore it from a backup; "+hintForeign, "%s", what)
			}
		}
	case strings.HasPrefix(file.Key, AsideDir): // damaged, and kept to be looked at
	case strings.HasPrefix(file.Key, "facts/"), strings.HasPrefix(file.Key, "tables/"), isLedger:
		problem(hintForeign+"; "+hintNewer, "this athenatrail knows no such file")
	default:
		problem(hintForeign, "not a file of the lake")
	}
}

func (v *verification) read(ctx context.Context, file File) ([]byte, bool) {
	data, err := v.lake.Read(ctx, file.Key)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false // removed since it was listed
	}
	if err != nil {
		v.yield(Problem{Path: file.Key, What: err.Error(), Hint: "see that it can be read"})
		return nil, false
	}
	return data, true
}

// maxPerFile bounds the problems named of one file: what is wrong with one row
// is often wrong with all.
const maxPerFile = 5

func (v *verification) partition(ctx context.Context, d verifier, file File, name string) {
	count := 0
	problem := func(format string, args ...any) {
		if count++; count <= maxPerFile {
			v.yield(Problem{Path: file.Key, What: fmt.Sprintf(format, args...), Hint: d.hint()})
		}
	}
	p, err := parseFileName(name)
	if err != nil {
		v.yield(Problem{Path: file.Key, What: err.Error(), Hint: hintForeign})
		return
	}
	data, ok := v.read(ctx, file)
	if !ok {
		return
	}
	if _, err := rowfile.Check(data); err != nil {
		problem("cannot be decoded: %v", err)
		return
	}
	if err := d.verify(ctx, p, data, problem); err != nil {
		problem("cannot be decoded: %v", err)
		return
	}
	if count > maxPerFile {
		v.yield(Problem{Path: file.Key, What: fmt.Sprintf("and %d more", count-maxPerFile), Hint: d.hint()})
	}
	if d.Name() == QueryExecutions.Name() && !v.boundary.IsClosed(p.Date) {
		v.files = append(v.files, p)
		for row, err := range rowfile.Rows[executionID](data) {
			if err == nil && row.ID != "" {
				v.ids = append(v.ids, maphash.String(v.seed, row.ID))
			}
		}
	}
}

// closed checks a file of a closed day. One of a day that is not closed yet is
// what a compaction under way, or one that was killed, has made so far.
func (v *verification) closed(ctx context.Context, t closedTable, file File, name string) {
	count := 0
	problem := func(format string, args ...any) {
		if count++; count <= maxPerFile {
			v.yield(Problem{Path: file.Key, What: fmt.Sprintf(format, args...), Hint: hintClosed})
		}
	}
	day, _, err := parseClosedKey(name)
	if err != nil {
		v.yield(Problem{Path: file.Key, What: err.Error(), Hint: hintForeign})
		return
	}
	data, ok := v.read(ctx, file)
	if !ok {
		return
	}
	if _, err := rowfile.Check(data); err != nil {
		problem("cannot be decoded: %v", err)
		return
	}
	held, err := slicesOf(day, data)
	if err == nil {
		err = t.verifyClosed(ctx, day, data, held, problem)
	}
	if err != nil {
		problem("cannot be decoded: %v", err)
		return
	}
	if count > maxPerFile {
		v.yield(Problem{Path: file.Key, What: fmt.Sprintf("and %d more", count-maxPerFile), Hint: hintClosed})
	}
	if t.Name() != QueryExecutions.Name() || !v.boundary.IsClosed(day) {
		return
	}
	for _, s := range held {
		v.files = append(v.files, s.Partition)
	}
	for row, err := range rowfile.Rows[executionID](data) {
		if err == nil && row.ID != "" {
			v.ids = append(v.ids, maphash.String(v.seed, row.ID))
		}
	}
}

// verifyClosed checks that a closed file has the rows that its metadata tells
// of, in their order.
func (t *Table[T]) verifyClosed(ctx context.Context, day athenatrail.Date, data []byte, held []slice, problem func(string, ...any)) error {
	if len(held) == 0 {
		problem("it has no rows")
	}
	first := int64(0)
	for _, s := range held {
		var last *T
		var sum rowfile.Sum
		n := first
		for row, err := range rowfile.RowsAt[T](data, first, s.rows) {
			if err != nil {
				return err
			}
			if n++; n%1024 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			if last != nil && t.order(last, row) >= 0 {
				problem("row %d is not in the order of rows", n)
			}
			if at, known := t.day(row); known && athenatrail.DateOf(at) != day {
				problem("row %d is of %s, the file of %s", n, at.Format(time.RFC3339), day)
			}
			if account, region := t.home(row); account != s.Account || region != s.Region {
				problem("row %d is of %q in %q, where its metadata tells of %s", n, account, region, s.Name())
			}
			t.format.Add(&sum, row)
			last = row
		}
		if sum != s.sum {
			problem("the rows of %s are not those that its metadata tells of", s.Name())
		}
		first += s.rows
	}
	if _, n, err := t.sumOf(data); err == nil && n != first {
		problem("it has %d rows, its metadata tells of %d", n, first)
	}
	return nil
}

type executionID struct {
	ID string `parquet:"query_execution_id,optional"`
}

// duplicates reads the files again if hashes of ids are equal, which for two
// different ids they hardly ever are.
func (v *verification) duplicates(ctx context.Context) {
	slices.Sort(v.ids)
	suspects := map[uint64]bool{}
	for i := 1; i < len(v.ids); i++ {
		if v.ids[i] == v.ids[i-1] {
			suspects[v.ids[i]] = true
		}
	}
	if len(suspects) == 0 {
		return
	}
	first := map[string]athenatrail.Partition{}
	for _, p := range v.files {
		for row, err := range ReadAs[executionID](ctx, v.lake, QueryExecutions, p) {
			if err != nil || row.ID == "" || !suspects[maphash.String(v.seed, row.ID)] {
				continue
			}
			if other, ok := first[row.ID]; ok && other != p {
				v.yield(Problem{
					Path: v.place(p),
					What: fmt.Sprintf("query execution %q has a row here and one in %s", row.ID, v.place(other)),
					Hint: `run "athenatrail lake rebuild"`,
				})
				continue
			}
			first[row.ID] = p
		}
	}
}

// place names where the executions of a partition are.
func (v *verification) place(p athenatrail.Partition) string {
	if v.boundary.IsClosed(p.Date) {
		return QueryExecutions.closedDir() + "dt=" + p.Date.String() + "/ (" + p.Name() + ")"
	}
	return fileKey(QueryExecutions.dir(), p)
}

// verifyRows checks what all datasets' files have in common.
func verifyRows[T any](ctx context.Context, p athenatrail.Partition, data []byte, key func(a, b *T) int, day func(*T) (time.Time, bool), problem func(string, ...any), check func(n int, row *T)) error {
	var last *T
	n := 0
	for row, err := range rowfile.Rows[T](data) {
		if err != nil {
			return err
		}
		if n++; n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if last != nil {
			switch c := key(last, row); {
			case c == 0:
				problem("row %d has the same key as the row before it", n)
			case c > 0:
				problem("row %d is not in the order of keys", n)
			}
		}
		if t, known := day(row); known && athenatrail.DateOf(t) != p.Date {
			problem("row %d is of %s, the file of %s", n, t.Format(time.RFC3339), p.Date)
		}
		if check != nil {
			check(n, row)
		}
		last = row
	}
	if n == 0 {
		problem("it has no rows")
	}
	return nil
}

func (f *Fact[T]) verify(ctx context.Context, p athenatrail.Partition, data []byte, problem func(string, ...any)) error {
	return verifyRows(ctx, p, data, f.key, f.day, problem, nil)
}

func (f *Fact[T]) hint() string { return hintFacts }

func (t *Table[T]) verify(ctx context.Context, p athenatrail.Partition, data []byte, problem func(string, ...any)) error {
	return verifyRows(ctx, p, data, t.key, t.day, problem, func(n int, row *T) {
		if account, region := t.home(row); account != p.Account || region != p.Region {
			problem("row %d is of %q in %q, the file of %s", n, account, region, p.Name())
		}
	})
}

func (t *Table[T]) hint() string { return hintRebuild }
