// Package source finds log files and opens them: in a folder, in an S3 bucket,
// a single file, or standard input.
//
// A listing may be bounded by time. The bounds are about delivery, because
// that is what a log file's name and folder tell: they choose the files to
// read and cut no events. A file is read if it was delivered on the day of
// from, on a later day up to that of to, or in the days after to in which
// events are still delivered late (Deps.Lookback). A file whose name does not
// tell when it was delivered is always listed.
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

	// List yields the log files delivered in the days from from to to, in a
	// fixed order. A zero time does not bound. An error comes with a zero
	// Object and says what could not be listed; the listing goes on after it
	// with what else there is. A source without a single log file, whatever
	// the bounds, yields ErrNoLogs.
	List(ctx context.Context, from, to time.Time) iter.Seq2[Object, error]

	// Open returns the object's bytes as they are stored, compressed or not.
	// It fails with ErrChanged when the object is not the one that was listed.
	Open(ctx context.Context, o Object) (io.ReadCloser, error)
}

var (
	// ErrNoLogs is for a source in which nothing looks like a log file.
	ErrNoLogs = errors.New("no log files")

	// ErrChanged is for an object that was replaced after it was listed. The
	// next listing has the new one.
	ErrChanged = errors.New("changed while it was being read")
)

// DefaultLookback is how late a log file may be delivered and still be found
// by the time of its events.
const DefaultLookback = 48 * time.Hour

// Deps are what the sources stand on.
type Deps struct {
	Stdin io.Reader

	// S3 makes the client when a bucket is first listed or read.
	S3 func(context.Context) (*s3.Client, error)

	Jobs     int           // folders of a bucket listed side by side; 0: 8
	Lookback time.Duration // 0: DefaultLookback
}

// Parse returns the source that spec names: a folder, a file, "-" for standard
// input, or s3://bucket[/prefix].
func Parse(_ context.Context, spec string, d Deps) (Source, error) {
	if d.Jobs <= 0 {
		d.Jobs = 8
	}
	if d.Lookback <= 0 {
		d.Lookback = DefaultLookback
	}
	switch rest, isS3 := strings.CutPrefix(spec, "s3://"); {
	case spec == "lookup-events" || strings.HasPrefix(spec, "sqs:"):
		return nil, fmt.Errorf("source %q: this version of athenatrail reads folders, files, - and s3://bucket[/prefix]", spec)
	case spec == "":
		return nil, errors.New(`source "": want a folder, a file, - or s3://bucket[/prefix]`)
	case spec == "-":
		if d.Stdin == nil {
			return nil, errors.New("source -: there is no standard input")
		}
		return &stdin{r: d.Stdin}, nil
	case isS3:
		return parseBucket(spec, rest, d)
	case schemeForm.MatchString(spec):
		return nil, fmt.Errorf("source %q: want a folder, a file, - or s3://bucket[/prefix]", spec)
	}
	info, err := os.Stat(spec)
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", spec, reason(err))
	}
	return parsePath(spec, info, d)
}

var schemeForm = regexp.MustCompile(`^[a-z][a-z0-9+.-]+://`)

// A window is the days of delivery that a listing takes.
type window struct {
	from, to     athenatrail.Date
	noFrom, noTo bool
}

func newWindow(from, to time.Time, lookback time.Duration) window {
	w := window{noFrom: from.IsZero(), noTo: to.IsZero()}
	if !w.noFrom {
		w.from = athenatrail.DateOf(from)
	}
	if !w.noTo {
		const day = 24 * time.Hour
		w.to = athenatrail.DateOf(to) + athenatrail.Date((lookback+day-1)/day)
	}
	return w
}

// holds reports whether a file delivered then is to be listed.
func (w window) holds(delivered time.Time) bool {
	if delivered.IsZero() {
		return true
	}
	day := athenatrail.DateOf(delivered)
	return (w.noFrom || day >= w.from) && (w.noTo || day <= w.to)
}

// stdin is standard input: one object, which can be opened once.
type stdin struct {
	r      io.Reader
	opened bool
}

func (s *stdin) Name() string { return "-" }

func (s *stdin) List(context.Context, time.Time, time.Time) iter.Seq2[Object, error] {
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
