package lake

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/lake/rowfile"
)

// A closed file holds rows of one day and several accounts and regions. Those
// of one account and region are its slice: they lie together, in the order that
// the table's closed files have, and slices are in the order of account and
// region. A day that is too large for one file has several, cut between slices.
// The metadata lists the slices, so that what a file holds is known by its end.
const slicesKey = "athenatrail.slices"

// closedBytes is how large a closed file may become before the next account and
// region begins another, measured by the open files that it is made from, which
// are larger. It is a variable for tests.
var closedBytes = int64(256 << 20)

// A slice is what a closed file has of one account and region.
type slice struct {
	athenatrail.Partition
	rows int64
	sum  rowfile.Sum // of the rows
	with string      // what they were derived with
}

// is reports whether two slices have the same rows, derived with the same.
func (s slice) is(o slice) bool { return s.rows == o.rows && s.sum == o.sum && s.with == o.with }

func comparePlaces(a, b athenatrail.Partition) int {
	return cmp.Or(strings.Compare(a.Account, b.Account), strings.Compare(a.Region, b.Region))
}

func encodeSlices(slices []slice) (string, error) {
	lines := make([][4]any, len(slices))
	for i, s := range slices {
		lines[i] = [4]any{s.Name(), s.rows, hex.EncodeToString(s.sum[:]), s.with}
	}
	text, err := json.Marshal(lines)
	return string(text), err
}

// parseSlices reads the slices of a day's file out of its metadata.
func parseSlices(day athenatrail.Date, text string) ([]slice, error) {
	var lines [][]json.RawMessage
	if err := json.Unmarshal([]byte(text), &lines); err != nil {
		return nil, fmt.Errorf("%s: %w", slicesKey, err)
	}
	all := make([]slice, 0, len(lines))
	for i, line := range lines {
		var name, sum string
		var s slice
		if len(line) < 4 {
			return nil, fmt.Errorf("%s: line %d: want four values", slicesKey, i+1)
		}
		err := errors.Join(json.Unmarshal(line[0], &name), json.Unmarshal(line[1], &s.rows), json.Unmarshal(line[2], &sum), json.Unmarshal(line[3], &s.with))
		if err == nil {
			s.Partition, err = athenatrail.ParsePartition(day.String(), name)
		}
		if n, hexErr := hex.Decode(s.sum[:], []byte(sum[:min(len(sum), 2*len(s.sum))])); err == nil && (hexErr != nil || n != len(s.sum)) {
			err = errors.New("want a sum of 32 hex digits")
		}
		if err != nil || s.rows < 1 || i > 0 && comparePlaces(all[i-1].Partition, s.Partition) >= 0 {
			return nil, fmt.Errorf("%s: line %d: %w", slicesKey, i+1, cmp.Or(err, errors.New("want rows, and slices in order")))
		}
		all = append(all, s)
	}
	return all, nil
}

// slicesOf reads the slices of a whole file.
func slicesOf(day athenatrail.Date, data []byte) ([]slice, error) {
	text, err := rowfile.Metadata(data, int64(len(data)), slicesKey)
	if err != nil {
		return nil, err
	}
	return parseSlices(day, text)
}

// A closedTable is a [Table] of any type of row.
type closedTable interface {
	Dataset
	closedDir() string
	rewrite(ctx context.Context, day athenatrail.Date, old []byte, changes []change) (data []byte, now []slice, err error)
	known(data []byte) error
	verifyClosed(ctx context.Context, day athenatrail.Date, data []byte, held []slice, problem func(string, ...any)) error
	sumOf(data []byte) (rowfile.Sum, int64, error)
}

// allTables are the tables, each after those that may be looked up in it.
var allTables = []closedTable{Activity, QueryExecutions, Sessions, Calculations, UsageRollup, TableRollup}

func (t *Table[T]) closedDir() string { return "tables/" + t.name + "_closed/" }

var closedName = regexp.MustCompile(`^dt=(\d{4}-\d\d-\d\d)/all(-[1-9]\d{0,5})?\.parquet$`)

// closedKey returns the key of a day's n-th file, counted from 1.
func closedKey(t closedTable, day athenatrail.Date, n int) string {
	key := t.closedDir() + "dt=" + day.String() + "/all"
	if n > 1 {
		key += "-" + strconv.Itoa(n)
	}
	return key + ".parquet"
}

// parseClosedKey reads what [closedKey] writes behind the table's folder.
func parseClosedKey(name string) (day athenatrail.Date, n int, err error) {
	m := closedName.FindStringSubmatch(name)
	if m == nil {
		return 0, 0, errors.New("want dt=YYYY-MM-DD/all.parquet, or all-N.parquet")
	}
	if day, err = athenatrail.ParseDate(m[1]); err == nil && (day < firstDay || day > lastDay) {
		err = errors.New("a day that no lake has")
	}
	if n = 1; err == nil && m[2] != "" {
		n, err = strconv.Atoi(m[2][1:])
	}
	return day, n, err
}

// A closedFile is a file of a closed day as listed.
type closedFile struct {
	File
	day athenatrail.Date
	n   int
}

// closedFiles lists a table's closed files of days, from included and to not,
// in the order of their slices.
func closedFiles(ctx context.Context, l *Lake, t closedTable, from, to athenatrail.Date) ([]closedFile, error) {
	prefixes := []string{t.closedDir()}
	if to-from <= fewDays {
		prefixes = nil
		for day := from; day < to; day++ {
			prefixes = append(prefixes, t.closedDir()+"dt="+day.String()+"/")
		}
	}
	var all []closedFile
	for _, prefix := range prefixes {
		for file, err := range l.List(ctx, prefix) {
			if err != nil {
				return nil, fmt.Errorf("list %s: %w", t.Name(), err)
			}
			day, n, err := parseClosedKey(strings.TrimPrefix(file.Key, t.closedDir()))
			if err == nil && day >= from && day < to {
				all = append(all, closedFile{file, day, n})
			}
		}
	}
	slices.SortFunc(all, func(a, b closedFile) int { return cmp.Or(cmp.Compare(a.day, b.day), cmp.Compare(a.n, b.n)) })
	return all, nil
}

// slicesIn reads what a closed file holds, by its end. That there is no file
// any more is no error.
func slicesIn(ctx context.Context, l *Lake, f closedFile) ([]slice, error) {
	text, err := metadata(ctx, l, f.Key, slicesKey)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", f.Key, err)
	}
	all, err := parseSlices(f.day, text)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", f.Key, err)
	}
	return all, nil
}

// metadata reads a key of a file's metadata. It reads the file's end only.
func metadata(ctx context.Context, l *Lake, file, key string) (string, error) {
	for n := int64(tailBytes); ; n *= 8 {
		tail, size, err := l.Tail(ctx, file, n)
		if err != nil {
			return "", err
		}
		value, err := rowfile.Metadata(tail, size, key)
		if errors.Is(err, rowfile.ErrShort) && int64(len(tail)) < size {
			continue
		}
		return value, err
	}
}

// A closedDay is where the slices of a day lie.
type closedDay struct {
	files  []closedFile
	slices [][]slice // of each file
}

func readClosedDay(ctx context.Context, l *Lake, t closedTable, day athenatrail.Date) (d closedDay, err error) {
	if d.files, err = closedFiles(ctx, l, t, day, day+1); err != nil {
		return d, err
	}
	for _, f := range d.files {
		s, err := slicesIn(ctx, l, f)
		if err != nil {
			return d, err
		}
		d.slices = append(d.slices, s)
	}
	return d, nil
}

// find returns the slice of an account and region; without rows if there is
// none.
func (d closedDay) find(p athenatrail.Partition) (file closedFile, s slice, first int64, ok bool) {
	for i, of := range d.slices {
		first = 0
		for _, s := range of {
			if s.Partition == p {
				return d.files[i], s, first, true
			}
			first += s.rows
		}
	}
	return closedFile{}, slice{Partition: p}, 0, false
}

// home returns the number of the file that the slice of an account and region
// is in or would be put into: cuts stay where they were made.
func (d closedDay) home(p athenatrail.Partition) int {
	n := 1
	for i, of := range d.slices {
		if len(of) > 0 && comparePlaces(of[0].Partition, p) <= 0 || i == 0 {
			n = d.files[i].n
		}
	}
	return n
}

// A change is what is to become of a slice of a closed file.
type change struct {
	athenatrail.Partition
	open []byte // the rows, as an open file has them; nil removes the slice
	with string
}

// rewrite returns a closed file with changes, which are in the order of account
// and region, and its slices; no data if no rows are left. Old is nil for a new
// file. Rows are decoded and encoded as a stream: memory holds the files, which
// are compressed, and of a slice that is changed at most sortRows rows.
func (t *Table[T]) rewrite(ctx context.Context, day athenatrail.Date, old []byte, changes []change) (data []byte, now []slice, err error) {
	var had []slice
	if old != nil {
		foreign, err := rowfile.Foreign[T](old)
		if err != nil {
			return nil, nil, fmt.Errorf("the file that is there cannot be read: %w", err)
		}
		if len(foreign) > 0 {
			return nil, nil, fmt.Errorf("%w: the file has columns %q that this athenatrail does not know: install a newer one", ErrNewer, foreign)
		}
		if had, err = slicesOf(day, old); err != nil {
			return nil, nil, fmt.Errorf("the file that is there cannot be read: %w", err)
		}
	}
	var out bytes.Buffer
	out.Grow(len(old) + 4096)
	w := t.format.Small().NewWriter(&out)
	n := 0
	write := func(s slice, rows iter.Seq2[*T, error]) error {
		s.sum, s.rows = rowfile.Sum{}, 0
		for row, err := range rows {
			if err != nil {
				return fmt.Errorf("rows of %s: %w", s.Partition, err)
			}
			if n++; n%1024 == 0 && ctx.Err() != nil {
				return context.Cause(ctx)
			}
			t.format.Add(&s.sum, row)
			s.rows++
			if err := w.Write(row); err != nil {
				return err
			}
		}
		if s.rows > 0 {
			now = append(now, s)
		}
		return nil
	}
	first := int64(0)
	stays := func(s slice) error {
		rows := rowfile.RowsAt[T](old, first, s.rows)
		first += s.rows
		if err := write(s, rows); err != nil {
			return fmt.Errorf("the file that is there: %w", err)
		}
		if last := now[len(now)-1]; !last.is(s) && s.with == last.with {
			return fmt.Errorf("the file that is there: rows of %s are not those that its metadata tells of", s.Partition)
		}
		return nil
	}
	for _, c := range changes {
		for len(had) > 0 && comparePlaces(had[0].Partition, c.Partition) < 0 {
			if err := stays(had[0]); err != nil {
				return nil, nil, err
			}
			had = had[1:]
		}
		if len(had) > 0 && had[0].Partition == c.Partition {
			first += had[0].rows
			had = had[1:]
		}
		if c.open == nil {
			continue
		}
		if err := write(slice{Partition: c.Partition, with: c.with}, t.inOrder(c.open)); err != nil {
			return nil, nil, err
		}
	}
	for _, s := range had {
		if err := stays(s); err != nil {
			return nil, nil, err
		}
	}
	if len(now) == 0 {
		return nil, nil, nil
	}
	text, err := encodeSlices(now)
	if err != nil {
		return nil, nil, err
	}
	w.SetMetadata(slicesKey, text)
	if err := w.Close(); err != nil {
		return nil, nil, err
	}
	return out.Bytes(), now, nil
}

// sortRows is how many rows are sorted at a time.
const sortRows = 32 << 10

// inOrder yields the rows of an open file in the order of closed files. More
// than sortRows are sorted by parts, which are held compressed, and merged.
func (t *Table[T]) inOrder(open []byte) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		var part []*T
		var parts [][]byte
		sorted := func() { slices.SortFunc(part, t.order) }
		for row, err := range rowfile.Rows[T](open) {
			if err != nil {
				yield(nil, err)
				return
			}
			if part = append(part, row); len(part) < sortRows {
				continue
			}
			sorted()
			data, err := t.part(part)
			if err != nil {
				yield(nil, err)
				return
			}
			parts, part = append(parts, data), part[:0]
		}
		sorted()
		if len(parts) == 0 {
			for _, row := range part {
				if !yield(row, nil) {
					return
				}
			}
			return
		}
		streams := []iter.Seq2[*T, error]{func(yield func(*T, error) bool) {
			for _, row := range part {
				if !yield(row, nil) {
					return
				}
			}
		}}
		for _, data := range parts {
			streams = append(streams, rowfile.Rows[T](data))
		}
		mergeRows(streams, t.order)(yield)
	}
}

func (t *Table[T]) part(rows []*T) ([]byte, error) {
	var out bytes.Buffer
	w := t.format.NewWriter(&out)
	for _, row := range rows {
		if err := w.Write(row); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return out.Bytes(), err
}

// mergeRows merges streams that are in an order.
func mergeRows[T any](streams []iter.Seq2[*T, error], order func(a, b *T) int) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		type head struct {
			row  *T
			next func() (*T, error, bool)
		}
		var heads []head
		for _, s := range streams {
			next, stop := iter.Pull2(s)
			defer stop()
			row, err, ok := next()
			if err != nil {
				yield(nil, err)
				return
			}
			if ok {
				heads = append(heads, head{row, next})
			}
		}
		for len(heads) > 0 {
			least := 0
			for i := range heads[1:] {
				if order(heads[i+1].row, heads[least].row) < 0 {
					least = i + 1
				}
			}
			h := &heads[least]
			if !yield(h.row, nil) {
				return
			}
			row, err, ok := h.next()
			if err != nil {
				yield(nil, err)
				return
			}
			if h.row = row; !ok {
				heads = slices.Delete(heads, least, least+1)
			}
		}
	}
}

// sumOf sums the rows of an open file.
func (t *Table[T]) sumOf(data []byte) (sum rowfile.Sum, n int64, err error) {
	for row, err := range rowfile.Rows[T](data) {
		if err != nil {
			return sum, n, err
		}
		t.format.Add(&sum, row)
		n++
	}
	return sum, n, nil
}

// order is that of the rows of an account and region in closed files.
func (t *Table[T]) order(a, b *T) int {
	if t.person != nil {
		if c := cmp.Or(strings.Compare(t.person(a), t.person(b)), t.at(a).Compare(t.at(b))); c != 0 {
			return c
		}
	}
	return t.key(a, b)
}
