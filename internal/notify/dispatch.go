package notify

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/lake"
)

const (
	// sendTimeout is the longest that one letter may take.
	sendTimeout = 30 * time.Second

	// markTimeout is the longest that the lake may take to note that a letter
	// left, also when the run was told to stop.
	markTimeout = 15 * time.Second

	// claimLasts is for how long nobody else sends what a process has claimed:
	// longer than a letter and its mark may take.
	claimLasts = 2 * time.Minute

	// After an attempt that failed the next is a minute later, and each time
	// twice as long, at most an hour.
	firstRetry, longestRetry = time.Minute, time.Hour

	// patientWait is the longest that a run waits for a channel that says when
	// to come again.
	patientWait = 5 * time.Second

	// A notice is given up when the first attempt was so long ago, and there
	// were so many: runs may be rare, and quiet hours long.
	givenUpAfter  = 24 * time.Hour
	leastAttempts = 5

	// orphanedAfter is for how long a notice waits for a channel that the
	// configuration no longer has.
	orphanedAfter = 7 * 24 * time.Hour

	// openDays are how far back notices are looked for that are still to be
	// sent, by what they tell of and by when their file was written last:
	// longer than the longest window of a limit.
	openDays = 100
)

// A Sender gives letters to a channel's service.
type Sender interface {
	// Send gives a letter to the service and returns whom it went to, as far
	// as that is known. An error is a [*Later], an [*Undeliverable], a
	// [*Partly], or another, after which it is tried again.
	Send(ctx context.Context, l *Letter) (recipient string, err error)
}

// Later is a service's answer that it will not take a letter now.
type Later struct {
	Err   error
	After time.Duration // zero: it did not say
}

func (e *Later) Error() string { return e.Err.Error() }
func (e *Later) Unwrap() error { return e.Err }

// Undeliverable is an answer that no other attempt will change, such as that
// there is no such person.
type Undeliverable struct{ Err error }

func (e *Undeliverable) Error() string { return e.Err.Error() }
func (e *Undeliverable) Unwrap() error { return e.Err }

// Partly is an answer that some of several recipients got a letter and others
// did not. It counts as sent.
type Partly struct{ Err error }

func (e *Partly) Error() string { return e.Err.Error() }
func (e *Partly) Unwrap() error { return e.Err }

// A Post is a channel that is ready for use.
type Post struct {
	Channel
	Scheme   string // of its URL, wherever that stands
	Renderer *Renderer

	// Open returns the channel's sender. It is called when there is something
	// to send, so that a secret that is missing keeps nothing else from being
	// sent; its error counts as an attempt that failed.
	Open func(ctx context.Context) (Sender, error)

	sender Sender
}

// Letter makes a letter of messages for a recipient of the channel, as its
// service takes it.
func (p *Post) Letter(to string, messages []Message, zone *time.Location) (*Letter, error) {
	markup, most := p.form(p.Scheme)
	l, err := p.Renderer.Letter(&p.Channel, to, markup, most, messages, zone)
	if err != nil {
		return nil, err
	}
	l.ID = hex.EncodeToString(randomBytes(16))
	return l, nil
}

// A Dispatcher sends messages on channels, and remembers in the lake which. It
// is for one goroutine.
type Dispatcher struct {
	lake  *lake.Lake
	posts []*Post
	zone  *time.Location
	run   string

	// settled are the lake's files of notices, by key, in which nothing is
	// left to send, with their ETags.
	settled map[string]string
}

// New returns a dispatcher for channels, which says times in a zone.
func New(l *lake.Lake, posts []*Post, zone *time.Location) *Dispatcher {
	var run [8]byte
	rand.Read(run[:])
	return &Dispatcher{lake: l, posts: posts, zone: zone, run: hex.EncodeToString(run[:]), settled: map[string]string{}}
}

// Send notes messages for the channels that are for them, and sends what is
// due: these, and what earlier runs left. A message that was sent or noted
// before, by whatever process, is not noted again.
//
// Each notice is claimed, sent, and then marked as sent. So a message arrives
// once; where a process dies between sending and marking it arrives twice, and
// never not at all, until it is given up.
//
// An error is the lake's, or the context's. What channels answer is in the
// result.
func (d *Dispatcher) Send(ctx context.Context, now time.Time, messages []Message) (Result, error) {
	var r Result
	s := &sending{Dispatcher: d, result: &r, started: time.Now(), now: now, fresh: map[string]*Message{}, order: map[string]int{}}
	if err := s.note(ctx, messages); err != nil {
		return r, fmt.Errorf("note what is to be told: %w", err)
	}
	groups, err := s.due(ctx)
	if err != nil {
		return r, fmt.Errorf("look for what is to be told: %w", err)
	}
	for _, g := range groups {
		if err := ctx.Err(); err != nil {
			return r, context.Cause(ctx)
		}
		if err := s.group(ctx, g); err != nil {
			return r, err
		}
	}
	return r, nil
}

// A sending is one call of Send.
type sending struct {
	*Dispatcher
	result  *Result
	started time.Time
	now     time.Time           // when it started, by the caller's clock
	fresh   map[string]*Message // handed over in this run, by key
	order   map[string]int      // of their keys
}

// at returns the time by the caller's clock.
func (s *sending) at() time.Time { return s.now.Add(time.Since(s.started)) }

// note writes the messages into the lake, for every channel that is for them.
func (s *sending) note(ctx context.Context, messages []Message) error {
	rows := map[athenatrail.Partition][]athenatrail.Notice{}
	for i := range messages {
		if messages[i].Key == "" || messages[i].At.IsZero() {
			return fmt.Errorf("message %d, %q: want a key and when what it tells of began", i, messages[i].Headline)
		}
		m := messages[i].bounded()
		if _, twice := s.fresh[m.Key]; twice {
			continue
		}
		s.fresh[m.Key], s.order[m.Key] = m, i
		told := false
		for _, p := range s.posts {
			if _, ok := p.recipient(m); !ok {
				continue
			}
			told = true
			row, err := newNotice(m, p.Name, s.now)
			if err != nil {
				return fmt.Errorf("message %q: %w", m.Key, err)
			}
			rows[row.Home] = append(rows[row.Home], *row)
		}
		if !told {
			s.result.Nobody++
		}
	}
	for _, p := range sortedPartitions(rows) {
		if _, err := lake.Merge(ctx, s.lake, lake.Notices, p, rows[p]); err != nil {
			return err
		}
	}
	return nil
}

func sortedPartitions[V any](m map[athenatrail.Partition]V) []athenatrail.Partition {
	var list []athenatrail.Partition
	for p := range m {
		list = append(list, p)
	}
	slices.SortFunc(list, athenatrail.Partition.Compare)
	return list
}

func newNotice(m *Message, channel string, now time.Time) (*athenatrail.Notice, error) {
	data, err := json.Marshal(m) // without SQL
	if err != nil {
		return nil, err
	}
	return &athenatrail.Notice{
		Home:       athenatrail.NewPartition(m.At, "", ""), // a message is of no account
		MessageKey: m.Key, Channel: channel, Kind: string(m.Kind), About: m.At,
		Person: m.Person, Team: m.Team, SubjectKind: m.SubjectKind, Subject: m.Subject, LimitName: m.Limit,
		State: athenatrail.NoticeWaiting, Queued: now, Message: string(data),
	}, nil
}

// A group is what goes out as one letter.
type group struct {
	post    *Post
	to      string
	keys    map[athenatrail.Partition]map[string]bool // of notices
	orphans string                                    // the channel that there is no more; then post is nil
}

// due looks through the notices of the last months, and groups those that are
// to be sent now by channel and recipient.
func (s *sending) due(ctx context.Context) ([]*group, error) {
	groups := map[string]*group{}
	since := s.now.AddDate(0, 0, -openDays)
	for file, err := range lake.Partitions(ctx, s.lake, lake.Notices, 0, 0) {
		if err != nil {
			return nil, err
		}
		if s.settled[file.Key] == file.ETag || file.Date < athenatrail.DateOf(since) && file.Modified.Before(since) {
			continue
		}
		open := 0
		for row, err := range lake.Read(ctx, s.lake, lake.Notices, file.Partition) {
			if err != nil {
				return nil, err
			}
			if isOver(row) {
				continue
			}
			open++
			s.look(row, groups)
		}
		if open == 0 {
			s.settled[file.Key] = file.ETag
		}
	}
	list := make([]*group, 0, len(groups))
	for _, id := range slices.Sorted(maps.Keys(groups)) {
		list = append(list, groups[id])
	}
	return list, nil
}

func isOver(n *athenatrail.Notice) bool {
	return n.State == athenatrail.NoticeSent || n.State == athenatrail.NoticeGivenUp
}

// look decides about a notice that is open.
func (s *sending) look(row *athenatrail.Notice, groups map[string]*group) {
	i := slices.IndexFunc(s.posts, func(p *Post) bool { return p.Name == row.Channel })
	if i < 0 {
		if s.now.Sub(row.Queued) > orphanedAfter {
			add(groups, row, &group{orphans: row.Channel})
		} else {
			s.result.Held++
		}
		return
	}
	p := s.posts[i]
	switch {
	case p.Quiet.quiet(Kind(row.Kind), s.now), !s.isDue(row) && row.State == athenatrail.NoticeWaiting:
		s.result.Held++
		return
	case !s.isDue(row):
		s.result.Busy++
		return
	}
	to := ""
	if p.Direct() {
		to = row.Person
	}
	add(groups, row, &group{post: p, to: to})
}

func add(groups map[string]*group, row *athenatrail.Notice, fresh *group) {
	id := row.Channel + "\x00" + fresh.to
	g := groups[id]
	if g == nil {
		g = fresh
		g.keys = map[athenatrail.Partition]map[string]bool{}
		groups[id] = g
	}
	if g.keys[row.Home] == nil {
		g.keys[row.Home] = map[string]bool{}
	}
	g.keys[row.Home][row.MessageKey] = true
}

// isDue reports whether a notice may be claimed now: it waits and its pause is
// over, or whoever claimed it ended. A clock that jumped back does not keep it
// for longer than the longest pause.
func (s *sending) isDue(row *athenatrail.Notice) bool {
	now := s.at()
	switch row.State {
	case athenatrail.NoticeWaiting:
		return !now.Before(row.NotUntil) || row.NotUntil.Sub(now) > longestRetry+claimLasts
	case athenatrail.NoticeClaimed:
		age := now.Sub(row.Claimed)
		return age > claimLasts || age < -claimLasts
	}
	return false
}

// group claims the notices of a group, sends them as one letter, and marks
// what became of them.
func (s *sending) group(ctx context.Context, g *group) error {
	if g.post == nil {
		return s.orphaned(ctx, g)
	}
	claim, begun := s.run+"-"+hex.EncodeToString(randomBytes(4)), s.at()
	mine, err := s.claim(ctx, g, claim)
	if err != nil {
		return fmt.Errorf("claim what is to be told on %s: %w", g.post.Name, err)
	}
	if len(mine) == 0 {
		return nil
	}
	if s.at().Sub(begun) > claimLasts-sendTimeout-markTimeout {
		// The lake took so long that another may take the claim for a dead
		// process's before the letter has left.
		s.result.Busy += len(mine)
		return nil
	}
	to, sendErr := s.send(ctx, g, mine)
	// What left has left, also where the run is told to stop now.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), markTimeout)
	defer cancel()
	if err := s.mark(ctx, g, claim, to, sendErr); err != nil {
		return fmt.Errorf("note what was told on %s: %w", g.post.Name, err)
	}
	return nil
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// claim makes notices of the group this process's, those that are still due,
// and returns them.
func (s *sending) claim(ctx context.Context, g *group, claim string) (mine []*athenatrail.Notice, err error) {
	now := s.at()
	for _, p := range sortedPartitions(g.keys) {
		_, _, err := lake.Rewrite(ctx, s.lake, lake.Notices, p, func(row *athenatrail.Notice) bool {
			if row.Channel == g.post.Name && g.keys[p][row.MessageKey] && !isOver(row) && row.Claimant != claim && s.isDue(row) {
				row.State, row.Claimed, row.Claimant = athenatrail.NoticeClaimed, now, claim
				row.Attempts++
				if row.First.IsZero() {
					row.First = now
				}
			}
			return true
		})
		if err != nil {
			return nil, err
		}
		claimed := 0
		for row, err := range lake.Read(ctx, s.lake, lake.Notices, p) {
			if err != nil {
				return nil, err
			}
			if row.Claimant == claim {
				mine, claimed = append(mine, row), claimed+1
			}
		}
		s.result.Busy += len(g.keys[p]) - claimed
	}
	// As they were handed over; what earlier runs left comes first.
	slices.SortStableFunc(mine, func(a, b *athenatrail.Notice) int {
		at := func(n *athenatrail.Notice) int {
			if i, ok := s.order[n.MessageKey]; ok {
				return i
			}
			return -1
		}
		return cmp.Or(cmp.Compare(at(a), at(b)), a.About.Compare(b.About), strings.Compare(a.MessageKey, b.MessageKey))
	})
	return mine, nil
}

// send makes a letter of notices and gives it to the channel's sender. One that
// asks to come again in a moment is asked once more.
func (s *sending) send(ctx context.Context, g *group, mine []*athenatrail.Notice) (to string, err error) {
	if g.to != "" && !g.post.mayWrite(g.to) {
		return "", &Undeliverable{errors.New("the configuration lets nobody write to that address any more")}
	}
	letter, err := s.letter(g, mine)
	if err != nil {
		return "", &Undeliverable{err}
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	if g.post.sender == nil {
		if g.post.sender, err = g.post.Open(ctx); err != nil {
			g.post.sender = nil
			return "", err
		}
	}
	to, err = g.post.sender.Send(ctx, letter)
	var later *Later
	if errors.As(err, &later) && 0 < later.After && later.After <= patientWait {
		select {
		case <-time.After(later.After):
			to, err = g.post.sender.Send(ctx, letter)
		case <-ctx.Done():
		}
	}
	return to, err
}

func (s *sending) letter(g *group, mine []*athenatrail.Notice) (*Letter, error) {
	var messages []Message
	var kinds []Kind
	for _, row := range mine {
		m := s.fresh[row.MessageKey]
		if m == nil {
			m = new(Message)
			if err := json.Unmarshal([]byte(row.Message), m); err != nil {
				return nil, fmt.Errorf("the message that the lake has: %w", err)
			}
		}
		messages = append(messages, *m)
		if !slices.Contains(kinds, m.Kind) {
			kinds = append(kinds, m.Kind)
		}
	}
	letter, err := g.post.Letter(g.to, messages, s.zone)
	if err != nil {
		return nil, err
	}
	letter.ID, letter.Kinds = letterID(mine), kinds
	return letter, nil
}

// mark notes what became of the notices that were claimed.
func (s *sending) mark(ctx context.Context, g *group, claim, to string, sendErr error) error {
	now := s.at()
	var undeliverable *Undeliverable
	final := errors.As(sendErr, &undeliverable)
	sent, held, givenUp := 0, 0, 0
	for _, p := range sortedPartitions(g.keys) {
		counted := map[string]string{} // state by key: the function may be called again
		_, _, err := lake.Rewrite(ctx, s.lake, lake.Notices, p, func(row *athenatrail.Notice) bool {
			if row.Claimant != claim {
				return true
			}
			if row.State == athenatrail.NoticeClaimed {
				settle(row, now, to, sendErr, final)
			}
			counted[row.MessageKey] = row.State
			return true
		})
		if err != nil {
			return err
		}
		for _, state := range counted {
			switch state {
			case athenatrail.NoticeSent:
				sent++
			case athenatrail.NoticeGivenUp:
				givenUp++
			default:
				held++
			}
		}
	}
	s.result.Sent += sent
	s.result.Held += held
	s.result.GivenUp += givenUp
	if sendErr != nil {
		s.result.Problems = append(s.result.Problems, problem(g, sendErr, held, givenUp))
	}
	return nil
}

// settle writes into a claimed notice what became of it.
func settle(row *athenatrail.Notice, now time.Time, to string, sendErr error, final bool) {
	var partly *Partly
	row.Error, row.NotUntil = "", time.Time{}
	if sendErr != nil {
		row.Error = bounded(sendErr.Error(), mostSentence)
	}
	if sendErr == nil || errors.As(sendErr, &partly) {
		row.Message = withoutPictures(row.Message)
		row.State, row.Sent, row.Recipient = athenatrail.NoticeSent, now, bounded(to, mostName)
		return
	}
	if final || now.Sub(row.First) >= givenUpAfter && row.Attempts >= leastAttempts {
		row.State, row.Message = athenatrail.NoticeGivenUp, withoutPictures(row.Message)
		return
	}
	pause := min(firstRetry<<min(row.Attempts-1, 10), longestRetry)
	var later *Later
	if errors.As(sendErr, &later) {
		pause = min(max(pause, later.After), longestRetry)
	}
	row.State, row.NotUntil = athenatrail.NoticeWaiting, now.Add(pause)
}

// withoutPictures returns a stored message without what only a letter needs,
// and which its text says too.
func withoutPictures(stored string) string {
	var m Message
	if err := json.Unmarshal([]byte(stored), &m); err != nil || m.HTML == "" && len(m.Pictures) == 0 {
		return stored
	}
	m.HTML, m.Pictures = "", nil
	data, err := json.Marshal(&m)
	if err != nil {
		return stored
	}
	return string(data)
}

func problem(g *group, err error, held, givenUp int) error {
	where := g.post.Name
	if g.to != "" {
		where += ", to " + g.to
	}
	var partly *Partly
	if errors.As(err, &partly) {
		return fmt.Errorf("channel %s: the others were told: %w", where, err)
	}
	what := fmt.Sprintf("%d to be sent again", held)
	if givenUp > 0 {
		what = fmt.Sprintf("%d given up", givenUp)
	}
	return fmt.Errorf("channel %s: %w (%s)", where, err, what)
}

// orphaned gives up what waited for a channel that there is no more.
func (s *sending) orphaned(ctx context.Context, g *group) error {
	for _, p := range sortedPartitions(g.keys) {
		_, _, err := lake.Rewrite(ctx, s.lake, lake.Notices, p, func(row *athenatrail.Notice) bool {
			if row.Channel == g.orphans && g.keys[p][row.MessageKey] && !isOver(row) {
				row.State, row.Error = athenatrail.NoticeGivenUp, "the configuration has no such channel any more"
			}
			return true
		})
		if err != nil {
			return fmt.Errorf("give up what waits for the channel %s: %w", g.orphans, err)
		}
		s.result.GivenUp += len(g.keys[p])
	}
	s.result.Problems = append(s.result.Problems, fmt.Errorf("channel %s: the configuration has no such channel any more, and what waited for it is given up", g.orphans))
	return nil
}
