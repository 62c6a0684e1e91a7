// Package unload lets Athena read a trail that is too big to pull: for each day
// of delivery one UNLOAD of the records that become facts, from the table
// cloudtrail_logs to a staging folder in S3, whose files are read as pages of a
// feed and deleted.
//
// What the table does not have as a column is lost, so a record that was
// unloaded may be shorter than the one in the log file. All that tables are
// derived from is there; of two records with one key the longer one stays.
//
// A day that is in the lake has a row in the ledger, written after the rows of
// its pages, and is not asked for again. A run that is killed leaves its staging
// files; the next run deletes them first. Were two runs to stage at once, the
// later one would take the files away from the earlier, which notices: before a
// day is noted, the mark of the run in the staging folder must still be there,
// and whoever cleans takes the marks before the files.
package unload

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"
	"golang.org/x/sync/errgroup"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/ledger"
	"github.com/athenatrail/athenatrail/internal/source"

	"github.com/athenatrail/athenatrail/internal/lake"
)

const (
	// Folder is the folder below the staging location that this package uses,
	// and the only one that it deletes from.
	Folder = "athenatrail-unload/"

	// Table is what athenatrail ddl calls the trail's table.
	Table = "cloudtrail_logs"

	// closes is how long after a day's end its folder has come to rest: names
	// tell when a log file was delivered, and the clocks of those who deliver
	// and of this machine may differ.
	closes = time.Hour

	// daysAtOnce is how many statements run side by side. Athena allows an
	// account twenty at the least (Service Quotas, active DML queries), and
	// others want theirs.
	daysAtOnce = 4

	// A page holds so many bytes of records, after which the next one begins.
	pageBytes = 4 << 20

	// maxLine bounds one row: a record has at most 256 KiB, and each of its
	// quotes and backslashes may be written in two bytes within two texts.
	maxLine = 8 << 20

	wholeETag = "whole" // of a day's row
)

// Options say what is unloaded, by whom, and through where.
type Options struct {
	// DB is Athena, with the database of [Table].
	DB *sql.DB

	// Name tells tables of the same name apart in the ledger: CATALOG.DATABASE.
	Name string

	// Source is the trail as the user named it, whose state the ledger keeps.
	Source string

	// Accounts and Regions are those of the trail that are read; empty are all.
	// Where the table does not list them Athena refuses a statement without.
	Accounts, Regions []string

	// From and To bound the days of delivery, To is not included.
	From, To athenatrail.Date

	// Location is the staging folder as Athena is told, with a slash at its end.
	// Staging is the store there, and Files opens what lies in it.
	Location string
	Staging  lake.Store
	Files    source.Source

	Ledger *ledger.Ledger
	RunID  string
	Now    time.Time
	Note   func(string) // told what was found and done; may be nil
}

// A Feed reads days of a trail by Athena; see [source.Feed].
type Feed struct {
	o     Options
	scope string
}

// New returns the feed of the days that are over. It fails if there is none.
func New(o Options) (*Feed, error) {
	last := athenatrail.DateOf(o.Now.Add(-closes)) // the first day that is not over
	if o.To == 0 || o.To > last {
		o.To = last
	}
	if o.From >= o.To {
		return nil, fmt.Errorf("from %s on there is no day before %s that is over: days are unloaded whole, an hour after their end", o.From, o.To)
	}
	if o.Note == nil {
		o.Note = func(string) {}
	}
	o.Accounts, o.Regions = sorted(o.Accounts), sorted(o.Regions)
	sum := sha256.Sum256([]byte(strings.Join(o.Accounts, ",") + "|" + strings.Join(o.Regions, ",")))
	return &Feed{o, hex.EncodeToString(sum[:4])}, nil
}

func sorted(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}

// Name is the source that is read.
func (f *Feed) Name() string { return f.o.Source }

// key is the name of a day's part in the ledger. The accounts and regions
// belong to it: with others, the day holds others' records.
func (f *Feed) key(day athenatrail.Date, part string) string {
	return "unload:" + f.o.Name + "." + Table + "/" + f.scope + "/" + day.String() + "/" + part
}

// Missing returns the days that the ledger does not know.
func (f *Feed) Missing(ctx context.Context) (days []athenatrail.Date, err error) {
	known := f.o.Ledger.Lookup()
	for d := f.o.From; d < f.o.To; d++ {
		is, err := known.Known(ctx, ledger.Shard{}, f.key(d, wholeETag), wholeETag)
		if err != nil {
			return nil, fmt.Errorf("read the ledger: %w", err)
		}
		if !is {
			days = append(days, d)
		}
	}
	return days, nil
}

// Read unloads the days that are missing, some side by side. After one that
// failed no further one is begun: what is wrong with one is mostly wrong with
// all, and each costs.
func (f *Feed) Read(ctx context.Context, store func(context.Context, source.Page) error) ([]source.FeedState, error) {
	days, err := f.Missing(ctx)
	if err != nil {
		return nil, err
	}
	state := source.FeedState{Name: f.o.Source, Asked: f.o.To.Time()}
	if len(days) == 0 {
		return []source.FeedState{state}, nil
	}
	if err := f.clean(ctx); err != nil {
		return nil, fmt.Errorf("clean the staging folder %s: %w", f.o.Location, err)
	}
	if err := f.o.Staging.Put(ctx, f.mark(), []byte(f.o.RunID)); err != nil {
		return nil, fmt.Errorf("mark the staging folder %s: %w", f.o.Location, err)
	}
	defer f.remove(ctx, f.mark())
	var mu sync.Mutex
	var failed, odd error
	failures := map[athenatrail.Date]bool{}
	for _, d := range days {
		failures[d] = true
	}
	var group errgroup.Group
	group.SetLimit(daysAtOnce)
	for _, d := range days {
		group.Go(func() error {
			mu.Lock()
			over := failed != nil
			mu.Unlock()
			if over || ctx.Err() != nil {
				return nil
			}
			unread, err := f.day(ctx, d, store)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = errors.Join(failed, fmt.Errorf("unload %s: %w", d, err))
				return nil
			}
			failures[d] = false
			odd = errors.Join(odd, unread)
			return nil
		})
	}
	group.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for _, d := range slices.Backward(days) {
		if failures[d] {
			state.Missed = d.Time()
		}
	}
	state.Err = errors.Join(failed, odd)
	return []source.FeedState{state}, nil
}

// errTaken is what a run is told whose staging files another run deleted.
var errTaken = errors.New("another run cleaned the staging folder meanwhile")

// day unloads one day. Unread tells of rows that were no records.
func (f *Feed) day(ctx context.Context, d athenatrail.Date, store func(context.Context, source.Page) error) (unread, err error) {
	folder := f.o.RunID + "/" + d.String() + "/"
	defer f.removeAll(ctx, folder)
	if _, err := f.o.DB.ExecContext(ctx, f.statement(d, f.o.Location+folder)); err != nil {
		return nil, err
	}
	files, err := f.files(ctx, folder)
	if err != nil {
		return nil, err
	}
	p := &pages{feed: f, day: d, store: store}
	for _, file := range files {
		if err := p.read(ctx, file); err != nil {
			return nil, fmt.Errorf("read %s: %w", file.Key, err)
		}
	}
	if err := p.flush(ctx); err != nil {
		return nil, err
	}
	if _, _, err := f.o.Staging.Tail(ctx, f.mark(), 1); errors.Is(err, fs.ErrNotExist) {
		return nil, errTaken
	} else if err != nil {
		return nil, err
	}
	if p.odd > 0 {
		unread = fmt.Errorf("unload %s: %d rows are no records: %w", d, p.odd, p.why)
	}
	whole := source.Object{Key: f.key(d, wholeETag), ETag: wholeETag, Delivered: d.Time()}
	return unread, store(ctx, source.Page{Object: whole, Body: []byte(`{"Records":[]}`)})
}

// pages cuts a day's rows into pages.
type pages struct {
	feed  *Feed
	day   athenatrail.Date
	store func(context.Context, source.Page) error

	body []byte
	n    int
	odd  int64
	why  error // of the first odd one
}

// read reads one staging file: a row a line, as JSON, compressed or not.
func (p *pages) read(ctx context.Context, file lake.File) error {
	key := p.feed.o.Location + file.Key
	raw, err := p.feed.o.Files.Open(ctx, source.NewObject(key, file.Size, file.ETag))
	if err != nil {
		return err
	}
	defer raw.Close()
	in := bufio.NewReaderSize(raw, 1<<16)
	if magic, _ := in.Peek(2); string(magic) == "\x1f\x8b" {
		z, err := gzip.NewReader(in)
		if err != nil {
			return err
		}
		in = bufio.NewReaderSize(z, 1<<16)
	}
	for {
		line, long, err := readLine(in)
		if err != nil && err != io.EOF {
			return err
		}
		switch {
		case long:
			p.strange(fmt.Errorf("a row of more than %d bytes", maxLine))
		case len(line) > 0:
			record, bad := record(line)
			if bad != nil {
				p.strange(bad)
				break
			}
			if p.body == nil {
				p.body = append(make([]byte, 0, pageBytes+1<<16), `{"Records":[`...)
			} else {
				p.body = append(p.body, ',')
			}
			p.body = append(p.body, record...)
		}
		if len(p.body) >= pageBytes {
			if err := p.flush(ctx); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
	}
}

func (p *pages) strange(why error) {
	p.odd++
	p.why = cmp.Or(p.why, why)
}

// flush stores what has come together.
func (p *pages) flush(ctx context.Context) error {
	if p.body == nil {
		return nil
	}
	body := append(p.body, "]}"...)
	o := source.Object{
		Key: p.feed.key(p.day, fmt.Sprint(p.n)), ETag: p.feed.o.RunID, Size: int64(len(body)), Delivered: p.day.Time(),
	}
	p.n++
	p.body = nil
	return p.store(ctx, source.Page{Object: o, Body: body})
}

// readLine returns the next line without its end; of one that is too long it
// passes over the rest.
func readLine(in *bufio.Reader) (line []byte, long bool, err error) {
	for {
		part, err := in.ReadSlice('\n')
		if !long {
			line = append(line, part...)
			long = len(line) > maxLine
		}
		if err == bufio.ErrBufferFull {
			continue
		}
		if long {
			line = nil
		}
		for len(line) > 0 && (line[len(line)-1] == '\n' || line[len(line)-1] == '\r') {
			line = line[:len(line)-1]
		}
		return line, long, err
	}
}

// mark is the file that says that a run stages.
func (f *Feed) mark() string { return f.o.RunID + ".running" }

// ours are the keys that a run of this program made.
var ours = regexp.MustCompile(`^[0-9]{8}T[0-9]{6}Z-[0-9a-f]{12}(\.running$|/)`)

func (f *Feed) files(ctx context.Context, prefix string) (list []lake.File, err error) {
	for file, err := range f.o.Staging.List(ctx, prefix) {
		if err != nil {
			return nil, err
		}
		list = append(list, file)
	}
	return list, nil
}

// clean deletes what runs before this one left, their marks first.
func (f *Feed) clean(ctx context.Context) error {
	all, err := f.files(ctx, "")
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(file lake.File) bool { return !ours.MatchString(file.Key) })
	slices.SortStableFunc(all, func(a, b lake.File) int {
		return cmp.Compare(strings.Count(a.Key, "/"), strings.Count(b.Key, "/"))
	})
	for _, file := range all {
		if err := f.o.Staging.Delete(ctx, file.Key); err != nil {
			return err
		}
	}
	if len(all) > 0 {
		f.o.Note(fmt.Sprintf("deleted %d files that an earlier run left in %s", len(all), f.o.Location))
	}
	return nil
}

// removing is how long deleting may take when the run was told to end.
const removing = 20 * time.Second

func (f *Feed) remove(ctx context.Context, keys ...string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removing)
	defer cancel()
	for _, key := range keys {
		if err := f.o.Staging.Delete(ctx, key); err != nil {
			f.o.Note(fmt.Sprintf("%s%s could not be deleted, the next run tries again: %v", f.o.Location, key, err))
			return
		}
	}
}

// removeAll deletes a day's staging files. What cannot be deleted is left to
// the next run.
func (f *Feed) removeAll(ctx context.Context, folder string) {
	c, cancel := context.WithTimeout(context.WithoutCancel(ctx), removing)
	defer cancel()
	files, err := f.files(c, folder)
	if err != nil {
		f.o.Note(fmt.Sprintf("%s%s could not be listed, the next run deletes it: %v", f.o.Location, folder, err))
		return
	}
	keys := make([]string, len(files))
	for i, file := range files {
		keys[i] = file.Key
	}
	f.remove(ctx, keys...)
}
