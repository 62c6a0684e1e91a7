// Package source finds log files and opens them: in a folder, in an S3 bucket,
// announced by the messages of a queue, a single file, or standard input.
//
// A listing may be bounded, see [Bounds]. The bounds are about delivery,
// because that is what a log file's name and folder tell: they choose the files
// to read and cut no events.
package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/athenatrail/athenatrail"
)

// An Object is one log file where it lies.
type Object struct {
	// Key is the full name: s3://bucket/key, the file's absolute path with
	// slashes, or "-".
	Key  string
	Size int64  // in bytes as stored; -1 when not known
	ETag string // changes when the content does; empty when not known

	// What the name tells; see ParseKey.
	Account      string
	Region       string
	Delivered    time.Time
	Organization string
}

// A Source is a place that log files come from.
type Source interface {
	// Name is the source as the user wrote it.
	Name() string

	// List yields the log files within the bounds, in a fixed order. An error
	// comes with a zero Object and says what could not be listed; the listing
	// goes on after it with what else there is. A source without a single log
	// file, whatever the bounds, yields ErrNoLogs.
	List(ctx context.Context, b Bounds) iter.Seq2[Object, error]

	// Open returns the object's bytes as they are stored, compressed or not.
	// It fails with ErrChanged when the object is not the one that was listed.
	Open(ctx context.Context, o Object) (io.ReadCloser, error)
}

// A Queue is a source whose log files are announced by messages. List yields
// those of the messages that it receives, a bounded number each time; it does
// not look at the bounds. It is called when what the last List yielded has been
// dealt with, and yields again what then is not settled. The other methods may
// be called by several goroutines, also while List yields.
type Queue interface {
	Source

	// Settle tells how a listed object fared: nil when its facts are in
	// place, or were before, else why it was not read. A message is deleted
	// when all that it announced is in place, and else given back, to come
	// again after a pause. Settle's own error is about the messages that it
	// deleted or gave back, which need not be those of this object.
	Settle(ctx context.Context, o Object, err error) error

	// Triggers returns, once, the executions that messages received since the
	// last call say to have changed, and Settled tells that they were asked
	// for. Those not settled before the next List are given back.
	Triggers() []Trigger
	Settled(ctx context.Context, t Trigger, err error) error

	// More reports whether the last List ended because it held enough, so
	// that the queue may have more.
	More() bool
}

// A Trigger says that an execution is worth asking for now.
type Trigger struct {
	Account, Region  string
	QueryExecutionID string
	At               time.Time // when it changed
}

// A Feed asks an API for records, in the place of log files.
type Feed interface {
	// Name is the feed as the user wrote it.
	Name() string

	// Read asks for what was not read before and gives it to store page by
	// page, by several goroutines at once. Store returns when the page's facts
	// and its row of the ledger are in place; its error ends the reading. What
	// could not be asked is in the answers; the error is for a feed that could
	// not begin.
	Read(ctx context.Context, store func(context.Context, Page) error) ([]FeedState, error)
}

// A Page is one answer of an API.
type Page struct {
	Object        // Key names what was asked, Delivered is the end of the time that it covers
	Body   []byte // as a log file: {"Records":[...]}
}

// A FeedState is how far a feed came in one account and region.
type FeedState struct {
	Name   string    // such as lookup-events:111122223333/eu-west-1
	Asked  time.Time // all until then is in place, but for what Missed says
	Missed time.Time // the earliest time that could not be asked for; zero: none
	Err    error     // why
}

var (
	// ErrNoLogs is for a source in which nothing looks like a log file.
	ErrNoLogs = errors.New("no log files")

	// ErrChanged is for an object that was replaced after it was listed. The
	// next listing has the new one.
	ErrChanged = errors.New("changed while it was being read")

	// ErrUnread is for a message of a queue that announces nothing known, or
	// an announced log file of which S3 tells nothing. The queue itself was
	// listed.
	ErrUnread = errors.New("not read")
)

// NewObject returns the object of that name, with what the name tells.
func NewObject(key string, size int64, etag string) Object {
	name, _ := ParseKey(key)
	return Object{
		Key: key, Size: size, ETag: etag,
		Account: name.Account, Region: name.Region, Delivered: name.Delivered, Organization: name.Organization,
	}
}

// DefaultLookback is how late a log file may be delivered and still be found
// by the time of its events.
const DefaultLookback = 48 * time.Hour

// Deps are what the sources stand on.
type Deps struct {
	Stdin io.Reader

	// S3 makes the client when a bucket is first listed or read.
	S3 func(context.Context) (*s3.Client, error)

	// SQS makes the client when a queue is first asked. The queue's URL says
	// in which region.
	SQS func(context.Context) (*sqs.Client, error)

	Jobs     int           // folders of a bucket listed side by side; 0: 8
	Lookback time.Duration // 0: DefaultLookback
	Messages int           // of a queue, held at most; 0: 500
}

// Parse returns the source that spec names: a folder, a file, "-" for standard
// input, s3://bucket[/prefix], or sqs:URL. A queue holds messages as long as
// ctx lives, which is the program's.
func Parse(ctx context.Context, spec string, d Deps) (Source, error) {
	if d.Jobs <= 0 {
		d.Jobs = 8
	}
	if d.Lookback <= 0 {
		d.Lookback = DefaultLookback
	}
	switch rest, isS3 := strings.CutPrefix(spec, "s3://"); {
	case strings.HasPrefix(spec, "sqs:"):
		return parseQueue(ctx, spec, strings.TrimPrefix(spec, "sqs:"), d)
	case spec == "lookup-events":
		return nil, fmt.Errorf("source %q: this version of athenatrail reads folders, files, -, s3://bucket[/prefix] and sqs:URL", spec)
	case spec == "":
		return nil, errors.New(`source "": want a folder, a file, -, s3://bucket[/prefix] or sqs:URL`)
	case spec == "-":
		if d.Stdin == nil {
			return nil, errors.New("source -: there is no standard input")
		}
		return &stdin{r: d.Stdin}, nil
	case isS3:
		return parseBucket(spec, rest, d)
	case schemeForm.MatchString(spec):
		return nil, fmt.Errorf("source %q: want a folder, a file, -, s3://bucket[/prefix] or sqs:URL", spec)
	}
	info, err := os.Stat(spec)
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", spec, reason(err))
	}
	return parsePath(spec, info, d)
}

var schemeForm = regexp.MustCompile(`^[a-z][a-z0-9+.-]+://`)

// Bounds choose the log files that a listing takes, by what their names tell.
// The zero value takes all.
type Bounds struct {
	// From and To are times of delivery; a zero one does not bound. A file is
	// taken if it was delivered on the day of From, on a later day up to that
	// of To, or in the days after it in which events are still delivered late
	// (Deps.Lookback). A file whose name does not tell when it was delivered
	// is always taken.
	From, To time.Time

	// Exact takes the files delivered from From on and before To, to the
	// minute, and no others: those of a unit of work.
	Exact bool

	// Account and Region, unless empty, take the files of these alone.
	Account, Region string
}

// A window is Bounds as a listing uses them.
type window struct {
	Bounds
	from, to     athenatrail.Date // days of delivery, both included
	noFrom, noTo bool
}

func newWindow(b Bounds, lookback time.Duration) window {
	w := window{Bounds: b, noFrom: b.From.IsZero(), noTo: b.To.IsZero()}
	if !w.noFrom {
		w.from = athenatrail.DateOf(b.From)
	}
	const day = 24 * time.Hour
	switch {
	case w.noTo:
	case b.Exact:
		w.to = athenatrail.DateOf(b.To.Add(-1))
	default:
		w.to = athenatrail.DateOf(b.To) + athenatrail.Date((lookback+day-1)/day)
	}
	return w
}

// holds reports whether a file is to be listed.
func (w window) holds(o Object) bool {
	switch {
	case w.Account != "" && o.Account != w.Account, w.Region != "" && o.Region != w.Region:
		return false
	case w.Exact:
		return !o.Delivered.IsZero() && (w.noFrom || !o.Delivered.Before(w.From)) && (w.noTo || o.Delivered.Before(w.To))
	case o.Delivered.IsZero():
		return true
	}
	day := athenatrail.DateOf(o.Delivered)
	return (w.noFrom || day >= w.from) && (w.noTo || day <= w.to)
}

// mayHold reports whether a folder of the delivery layout may have files in
// the window, as far as its account and region tell. Empty ones do not tell.
func (w window) mayHold(account, region string) bool {
	return (w.Account == "" || account == "" || account == w.Account) &&
		(w.Region == "" || region == "" || region == w.Region)
}

// stdin is standard input: one object, which can be opened once.
type stdin struct {
	r      io.Reader
	opened bool
}

func (s *stdin) Name() string { return "-" }

func (s *stdin) List(context.Context, Bounds) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) { yield(Object{Key: "-", Size: -1}, nil) }
}

func (s *stdin) Open(_ context.Context, o Object) (io.ReadCloser, error) {
	if o.Key != "-" || s.opened {
		return nil, errors.New("read -: standard input can be read once")
	}
	s.opened = true
	return io.NopCloser(s.r), nil
}

// IsFinite tells a source that will hold no more than it does: standard input,
// or one file that was named.
func IsFinite(s Source) bool {
	switch s := s.(type) {
	case *stdin:
		return true
	case *folder:
		return s.single
	}
	return false
}
