// Package ledger remembers which log files were read, what was in them, and
// how far each source has been read. It lies in the lake:
//
//	_ledger/v1/<account>/<region>/<delivery day>.parquet   one row for each log file
//	_ledger/v1/other/<2 hex digits>.parquet                of log files whose names do not tell these
//	_ledger/v1/source/<16 hex digits>.json                 one for each source
//
// A log file's row is written when the facts of it are stored and the days
// that they concern are marked. A run that is killed before that reads the
// file again, which changes nothing that is there.
package ledger

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/lake/rowfile"
)

const (
	root     = "_ledger/v1/"
	otherDir = "other"

	recordsAtOnce = 8
)

// A Shard says which of the ledger's files holds a log file's row: that of an
// account, region and day of delivery, all of which the name of a log file
// tells. The zero Shard is for names that do not.
type Shard struct {
	Account string
	Region  string
	Day     athenatrail.Date
	Known   bool
}

// key returns the shard's file for a log file of that name. Account and region
// come out of names that anybody can give a file.
func (s Shard) key(file string) string {
	if s.Known && isName(s.Account) && isName(s.Region) {
		return root + s.Account + "/" + s.Region + "/" + s.Day.String() + ".parquet"
	}
	sum := sha256.Sum256([]byte(file))
	return root + otherDir + "/" + hex.EncodeToString(sum[:1]) + ".parquet"
}

// isName reports whether a name can be a folder's beside the ledger's own.
func isName(s string) bool {
	switch s {
	case otherDir, "dirty", "open", "source", "asked", "boundary", "limits":
		return false
	}
	return athenatrail.SafeName(s) == s
}

// parseShard reads a key that [Shard.key] made.
func parseShard(key string) (Shard, bool) {
	rest, isLedger := strings.CutPrefix(key, root)
	rest, isParquet := strings.CutSuffix(rest, ".parquet")
	parts := strings.Split(rest, "/")
	switch {
	case !isLedger || !isParquet:
	case len(parts) == 2 && parts[0] == otherDir && len(parts[1]) == 2:
		return Shard{}, true
	case len(parts) == 3 && isName(parts[0]) && isName(parts[1]):
		if day, err := athenatrail.ParseDate(parts[2]); err == nil {
			return Shard{Account: parts[0], Region: parts[1], Day: day, Known: true}, true
		}
	}
	return Shard{}, false
}

// A File is what the ledger knows of one log file that was read. But for the
// first group it is a function of the file's content. Candidates, the records
// that could have become facts, are those kept, dropped and undecodable.
type File struct {
	Shard Shard `parquet:"-"`

	Key            string    `parquet:"key"`  // the whole name: s3://BUCKET/KEY, or a path
	ETag           string    `parquet:"etag"` // of the content that was read
	Size           int64     `parquet:"size"` // in bytes, as stored
	Delivered      time.Time `parquet:"delivered,optional,timestamp(millisecond:local)"`
	DecoderVersion int32     `parquet:"decoder_version"`

	BytesInflated     int64     `parquet:"bytes_inflated"`
	Closed            bool      `parquet:"closed"` // the JSON came to its end
	Records           int64     `parquet:"records"`
	Candidates        int64     `parquet:"candidates"`
	KeptEvents        int64     `parquet:"kept_events"`
	KeptSessionEvents int64     `parquet:"kept_session_events"` // of KeptEvents, stored again
	KeptRoleSessions  int64     `parquet:"kept_role_sessions"`
	KeptDataAccess    int64     `parquet:"kept_data_access"`
	KeptTexts         int64     `parquet:"kept_texts"` // SQL in clear, in records kept
	Dropped           int64     `parquet:"dropped"`
	DroppedReasons    string    `parquet:"dropped_reasons,optional"` // {"reason": count} with sorted keys
	Undecodable       int64     `parquet:"undecodable"`
	Problems          string    `parquet:"problems,optional"` // [{"offset": bytes, "why": text}], the first 20
	NewestEventTime   time.Time `parquet:"newest_event_time,optional,timestamp(millisecond:local)"`
	Damage            string    `parquet:"damage,optional"` // why the file could not be read to its end
}

var format = &rowfile.Format[File]{
	Bloom: []string{"key"},
	Size:  func(f *File) int { return 300 + len(f.Key) + len(f.Problems) + len(f.Damage) },
}

// equal reports whether two rows are stored as the same bytes.
func (f *File) equal(g *File) bool {
	a, b := *f, *g
	for _, t := range []*time.Time{&a.Delivered, &a.NewestEventTime, &b.Delivered, &b.NewestEventTime} {
		if !t.IsZero() {
			*t = time.UnixMilli(t.UnixMilli()).UTC()
		}
	}
	a.Shard, b.Shard = Shard{}, Shard{}
	return a == b
}

// A Ledger is the ledger of a lake. It may be used by many goroutines, and by
// many processes at once.
type Ledger struct {
	store lake.Store
}

// New returns the ledger in a lake.
func New(store lake.Store) *Ledger { return &Ledger{store} }

// Record writes the rows of log files that were read. A row takes the place of
// that of the same name; of several in files the last counts. Each of the
// ledger's files is written once. An error leaves some of the rows unwritten,
// and recording all of them again is right.
func (l *Ledger) Record(ctx context.Context, files []File) error {
	shards := map[string]map[string]*File{}
	for i := range files {
		f := files[i] // a copy, since texts are cleaned
		format.Clean(&f)
		key := f.Shard.key(f.Key)
		if shards[key] == nil {
			shards[key] = map[string]*File{}
		}
		shards[key][f.Key] = &f
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(recordsAtOnce)
	for _, key := range slices.Sorted(maps.Keys(shards)) {
		rows := slices.SortedFunc(maps.Values(shards[key]), byKey)
		group.Go(func() error {
			err := l.store.Update(ctx, key, func(old []byte) ([]byte, error) { return merge(old, rows) })
			if err != nil {
				return fmt.Errorf("record %d log files in %s: %w", len(rows), key, err)
			}
			return nil
		})
	}
	return group.Wait()
}

func byKey(a, b *File) int { return strings.Compare(a.Key, b.Key) }

// merge puts sorted rows into a shard's file. It returns nil if all of them
// are there already.
func merge(old []byte, added []*File) ([]byte, error) {
	var out bytes.Buffer
	w := format.NewWriter(&out)
	changed := false
	if old != nil {
		foreign, err := rowfile.Foreign[File](old)
		if err != nil {
			return nil, fmt.Errorf("the file that is there cannot be read: %w", err)
		}
		if len(foreign) > 0 {
			return nil, fmt.Errorf("%w: the file has columns %q that this athenatrail does not know: install a newer one", lake.ErrNewer, foreign)
		}
		for row, err := range rowfile.Rows[File](old) {
			if err != nil {
				return nil, fmt.Errorf("the file that is there cannot be read: %w", err)
			}
			for len(added) > 0 && byKey(added[0], row) < 0 {
				if err := w.Write(added[0]); err != nil {
					return nil, err
				}
				added, changed = added[1:], true
			}
			if len(added) > 0 && byKey(added[0], row) == 0 {
				changed = changed || !row.equal(added[0])
				row, added = added[0], added[1:]
			}
			if err := w.Write(row); err != nil {
				return nil, err
			}
		}
	}
	for _, row := range added {
		if err := w.Write(row); err != nil {
			return nil, err
		}
		changed = true
	}
	if !changed {
		return nil, nil
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// All returns every log file that was read, ordered by the ledger's files and
// within them by name. An error is the last thing yielded.
func (l *Ledger) All(ctx context.Context) iter.Seq2[File, error] {
	return func(yield func(File, error) bool) {
		for listed, err := range l.store.List(ctx, root) {
			if err != nil {
				yield(File{}, fmt.Errorf("list the ledger: %w", err))
				return
			}
			shard, ok := parseShard(listed.Key)
			if !ok {
				continue
			}
			for row, err := range read[File](ctx, l.store, listed.Key) {
				if err != nil {
					yield(File{}, err)
					return
				}
				row.Shard = shard
				if !yield(*row, nil) {
					return
				}
			}
		}
	}
}

// Verify yields what is wrong with the ledger's rows: those that do not lie
// where their names belong, or whose counts do not add up. That files open and
// decode is [lake.Verify]'s to say.
func (l *Ledger) Verify(ctx context.Context) iter.Seq[lake.Problem] {
	const hint = "remove the file and collect again: its log files are then read again, which changes nothing that is there"
	return func(yield func(lake.Problem) bool) {
		last := File{}
		for f, err := range l.All(ctx) {
			if err != nil {
				yield(lake.Problem{Path: root, What: err.Error(), Hint: "see what lake verify says of the file"})
				return
			}
			what := ""
			kept := f.KeptEvents + f.KeptRoleSessions + f.KeptDataAccess
			switch {
			case !f.Shard.Known && f.Shard.key(f.Key) == last.Shard.key(last.Key) && f.Key <= last.Key,
				f.Shard.Known && f.Shard == last.Shard && f.Key <= last.Key:
				what = "is not in the order of names"
			case f.Key == "":
				what = "has no name"
			case min(f.Candidates, kept, f.Dropped, f.Undecodable) < 0 || f.Candidates != kept+f.Dropped+f.Undecodable:
				what = fmt.Sprintf("has %d candidates, but %d kept, %d dropped and %d undecodable", f.Candidates, kept, f.Dropped, f.Undecodable)
			}
			last = f
			if what != "" && !yield(lake.Problem{Path: f.Shard.key(f.Key), What: fmt.Sprintf("log file %q %s", f.Key, what), Hint: hint}) {
				return
			}
		}
	}
}

func read[T any](ctx context.Context, store lake.Store, key string) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		data, err := store.Read(ctx, key)
		if errors.Is(err, fs.ErrNotExist) {
			return
		}
		if err != nil {
			yield(nil, fmt.Errorf("read the ledger: %w", err))
			return
		}
		for row, err := range rowfile.Rows[T](data) {
			if err != nil {
				yield(nil, fmt.Errorf("read %s: %w", key, err))
				return
			}
			if !yield(row, nil) {
				return
			}
		}
	}
}
