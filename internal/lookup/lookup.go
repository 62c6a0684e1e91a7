// Package lookup asks CloudTrail's event history (LookupEvents) for the calls
// that become facts: 90 days of them, in an account without any trail.
//
// CloudTrail answers two calls a second in each account and region, for all
// who ask there, with at most 50 events each, newest first, by one attribute:
// here the event's name. How soon it answers varies from a fifth of a second
// to many. So each place, an account's region, has one pace, and as many
// slices of time side by side as its answers are late: whenever a call may be
// made and no slice can use it, because all of them wait for their answers,
// the slice with most left gives its older half to a new one.
//
// # What was asked
//
// Nothing is kept but the pages' rows in the ledger. Times are whole seconds,
// as CloudTrail's are, and a span is half-open. The answers of a slice
// [from, to) come newest first, so with a page whose oldest event is of the
// second t all of [t+1, to) is in place, and t itself may not be: a second can
// have more events than the page had room for. The page's name in the ledger
// says just that span, and the next page goes on with [from, t+1). The last
// page, which has no token, stands for all that was left. Where one page ends
// in the second in which the last one did, nothing is added; its name has the
// empty span and its number.
//
// A run takes from what it wants to know the spans of the rows, and asks for
// the rest: after a crash that is, of each slice, what lies below its last
// page stored, beginning with a second that is asked for again whole. A page
// that was answered and not stored is asked for once more. No token outlives
// its run, and one that CloudTrail no longer takes is replaced in the same way.
//
// Events can be looked up some minutes after they happened. So a row also has,
// as its ETag, when the run that asked began, and of its span only what is
// older than that by the lateness counts for good. The rest counts for runs
// that begin before the lateness has passed, which need not ask again, and is
// asked for once more after that.
package lookup

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"golang.org/x/sync/errgroup"

	"github.com/athenatrail/athenatrail/internal/ledger"
	"github.com/athenatrail/athenatrail/internal/source"
)

const (
	// Name is how the feed is called on the command line, and how the names
	// of its pages begin.
	Name = "lookup-events"

	// History is how far back CloudTrail looks events up (User Guide,
	// "Working with CloudTrail event history").
	History = 90 * 24 * time.Hour

	// DefaultRate is what CloudTrail answers in an account and region, in
	// calls a second (API reference, LookupEvents).
	DefaultRate = 2.0

	// DefaultLateness is how long after it happened an event is taken to be
	// found for certain. CloudTrail delivers within 5 minutes on average and
	// promises nothing.
	DefaultLateness = time.Hour
)

// DefaultEvents are the starts of query executions, denied ones too.
var DefaultEvents = []string{"StartQueryExecution"}

// A Place is one region of one account.
type Place struct{ Account, Region string }

// Options say what to ask. Places, Config and Ledger are needed.
type Options struct {
	Places []Place

	// Config returns what a client for an account and region is made from;
	// awsconn's Conn has it. Its error is the place's.
	Config func(ctx context.Context, account, region string) (aws.Config, error)

	// Ledger is where the pages that Read gives away are recorded, under
	// their Key, ETag, Account, Region and day of Delivered.
	Ledger *ledger.Ledger

	Events []string // names of events; none: DefaultEvents

	// From and To bound the events' own times, half-open. Zero ones do not:
	// all that CloudTrail has, until the run begins.
	From, To time.Time

	Location *time.Location // whose days To may end with; nil: UTC

	Lateness time.Duration // see DefaultLateness; zero takes all events to be there at once
	Rate     float64       // calls a second in each place; 0: DefaultRate

	// Now is the time at which a run begins. Nil: time.Now.
	Now func() time.Time
}

// A Feed asks for what the ledger does not show to have been asked. It may be
// read again and again, one time after the other; each run ends with the
// moment at which it began.
type Feed struct {
	o      Options
	places []*place
	pages  chan struct{} // one for each page asked for or being stored
}

var _ source.Feed = (*Feed)(nil)

const (
	// placesAtOnce is how many places are asked side by side.
	placesAtOnce = 64

	// pagesAtOnce bounds the pages that are held, over all places. One has
	// some 100 KB, and cannot have more than maxReply.
	pagesAtOnce = 128
)

var (
	accountForm = regexp.MustCompile(`^[0-9]{12}$`)
	regionForm  = regexp.MustCompile(`^[a-z]{2,8}(-[a-z]+)+-[0-9]{1,2}$`)
	eventForm   = regexp.MustCompile(`^[A-Za-z0-9]{1,128}$`)
)

// New returns the feed. It makes no call. What is wrong with From and To is
// [Check]'s error.
func New(o Options) (*Feed, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rate <= 0 {
		o.Rate = DefaultRate
	}
	if len(o.Events) == 0 {
		o.Events = DefaultEvents
	}
	switch {
	case len(o.Places) == 0:
		return nil, fmt.Errorf("%s: no account and region to ask", Name)
	case o.Config == nil || o.Ledger == nil:
		return nil, fmt.Errorf("%s: no credentials or no ledger", Name)
	case o.Lateness < 0 || o.Lateness >= History:
		return nil, fmt.Errorf("%s: lateness %v: want less than CloudTrail's 90 days", Name, o.Lateness)
	}
	if err := Check(o.From, o.To, o.Now(), o.Location); err != nil {
		return nil, fmt.Errorf("%s: %w", Name, err)
	}
	seen := map[string]bool{}
	for _, e := range o.Events {
		if !eventForm.MatchString(e) || seen[e] {
			return nil, fmt.Errorf("%s: event %q: want names such as StartQueryExecution, each once", Name, e)
		}
		seen[e] = true
	}
	f := &Feed{o: o, pages: make(chan struct{}, pagesAtOnce)}
	for _, at := range o.Places {
		p := newPlace(f, at)
		if !accountForm.MatchString(at.Account) || !regionForm.MatchString(at.Region) || seen[p.name] {
			return nil, fmt.Errorf("%s: account %q, region %q: want 12 digits and a region such as eu-west-1, each pair once", Name, at.Account, at.Region)
		}
		seen[p.name] = true
		f.places = append(f.places, p)
	}
	return f, nil
}

// Check says what is wrong with the times of events to ask for at the moment
// now: an end that is not behind its start, a start or an end on a future day
// of loc, a start that CloudTrail has forgotten. Zero times are right. The end
// of today is no future day, though it has not come yet.
func Check(from, to, now time.Time, loc *time.Location) error {
	if loc == nil {
		loc = time.UTC
	}
	local := now.In(loc)
	tomorrow := time.Date(local.Year(), local.Month(), local.Day()+1, 0, 0, 0, 0, loc)
	show := func(t time.Time) string { return t.In(loc).Format("2006-01-02T15:04:05Z07:00") }
	switch {
	case !from.IsZero() && !to.IsZero() && !from.Before(to):
		return fmt.Errorf("the end %s is not after the start %s", show(to), show(from))
	case from.After(now):
		return fmt.Errorf("the start %s lies in the future", show(from))
	case to.After(tomorrow):
		return fmt.Errorf("the end %s is on a future day", show(to))
	}
	oldest := now.Add(-History)
	forgotten := ""
	switch {
	case !from.IsZero() && from.Before(oldest):
		forgotten = "start " + show(from)
	case !to.IsZero() && !oldest.Before(to):
		forgotten = "end " + show(to)
	default:
		return nil
	}
	return fmt.Errorf("the %s is too long ago: CloudTrail looks up events of the last 90 days, now since %s; older ones are in the log files of a trail", forgotten, show(oldest))
}

// Name returns the feed's name.
func (f *Feed) Name() string { return Name }

// Read asks all places side by side, and gives the pages to store. A place
// that cannot be asked, or not to the end, has the error and the earliest time
// that is missing in its state; the others go on. An error of store or of the
// ledger, and ctx's own, ends all of them.
func (f *Feed) Read(ctx context.Context, store func(context.Context, source.Page) error) ([]source.FeedState, error) {
	now := f.o.Now()
	wanted := f.window(now)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(placesAtOnce)
	states := make([]source.FeedState, len(f.places))
	for i, p := range f.places {
		group.Go(func() (err error) {
			states[i], err = p.read(ctx, now, wanted, store)
			return err
		})
	}
	return states, group.Wait()
}

// window returns the time that a run that begins now is about. It may be
// empty, where a second has not passed yet.
func (f *Feed) window(now time.Time) span {
	w := span{now.Add(-History).Unix(), now.Unix()}
	if !f.o.From.IsZero() {
		w.from = max(w.from, upper(f.o.From))
	}
	if !f.o.To.IsZero() {
		w.to = min(w.to, upper(f.o.To))
	}
	return w
}

// upper returns the first whole second that is not before t: an event's time
// is whole, so it is the same bound.
func upper(t time.Time) int64 { return t.Add(time.Second - 1).Unix() }
