package enforce

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/awsconn"
	"github.com/athenatrail/athenatrail/internal/glob"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/limit"
	"github.com/athenatrail/athenatrail/internal/notify"
	"github.com/athenatrail/athenatrail/internal/standing"
)

// A Teller sends messages: [notify.Dispatcher].
type Teller interface {
	Send(ctx context.Context, now time.Time, messages []notify.Message) (notify.Result, error)
}

// Options say what to act upon.
type Options struct {
	Lake   *lake.Lake
	All    *limit.Limits // of the configuration
	Limits *limit.Limits // of them, those that are looked at
	Report *limit.Report // of Limits, at Moment
	Moment limit.Moment

	Config Config         // for clients of AWS
	Own    []glob.Pattern // principals of the program itself

	// Identify returns who the program is to AWS, and AWS's clock. It is
	// called when something is to be done. Nil: nobody, and the clock is
	// believed.
	Identify func(ctx context.Context) (arn string, clock time.Time, err error)

	Teller Teller // nil: nobody is told
	RunID  string // no two runs may share it
	DryRun bool   // say what would be done, and do nothing
}

// A Result is what a run did, or in a dry run would do.
type Result struct {
	Done   []athenatrail.LimitAction // in their order
	Told   []string                  // what was not done, and is no action: why
	Busy   string                    // the run that is acting just now; nothing was done
	Notice notify.Result             // of messages
}

// Failed returns how many actions failed.
func (r *Result) Failed() (n int) {
	for i := range r.Done {
		if r.Done[i].Outcome == athenatrail.OutcomeFailed {
			n++
		}
	}
	return n
}

// maxSkew is how far this machine's clock may be from AWS's. AWS itself takes no
// signature that is five minutes off.
const maxSkew = 5 * time.Minute

// A run is one run under way.
type run struct {
	Options
	Caller string // the ARN of the program to AWS
	clock  string // why this machine's clock is not to be trusted; empty: it is

	calls  *caller
	behind map[string]map[limit.Subject]*found
	events map[place]bool // of principals whose path is to be learnt
	result Result
}

// errBusy ends an update in which another run holds the lease.
var errBusy = errors.New("another run acts")

// Apply does what the thresholds ask for that the report says are reached, and
// takes back what stands without reason. Where nothing is to be done it calls
// nothing and writes nothing. The error is the lake's, or the context's: what
// AWS refuses is in the result.
func Apply(ctx context.Context, o Options) (*Result, error) {
	r := &run{Options: o, calls: newCaller(o.Config), behind: map[string]map[limit.Subject]*found{}, events: map[place]bool{}}
	s, err := standing.Load(ctx, o.Lake)
	if err != nil {
		return nil, err
	}
	if r.wantsMore(s) {
		// Who it is and what time it is is asked once there is a reason to.
		if err := r.identify(ctx); err != nil {
			return nil, err
		}
		if err := r.look(ctx, s); err != nil {
			return nil, err
		}
	}
	p := r.plan(s)
	r.result.Told = p.told
	if len(p.steps) == 0 && maps.Equal(p.episodes, s.Episodes) || o.DryRun {
		for _, x := range p.steps {
			r.result.Done = append(r.result.Done, r.fact(x, r.Moment.Now))
		}
		if !o.DryRun && o.Teller != nil { // what earlier runs left to be told
			if r.result.Notice, err = o.Teller.Send(ctx, r.Moment.Now, nil); err != nil {
				return &r.result, err
			}
		}
		return &r.result, nil
	}
	return r.claim(ctx, p, func(s *standing.State) {
		*p = *r.plan(s) // as things are now: another run may have done it meanwhile
	})
}

// claim takes the lease, has the plan made again of what stands then, notes what
// is begun, and does it.
func (r *run) claim(ctx context.Context, p *plan, again func(*standing.State)) (*Result, error) {
	s, err := standing.Update(ctx, r.Lake, func(s *standing.State) error {
		if s.Lease.Holds(r.Moment.Now) && s.Lease.RunID != r.RunID {
			r.result.Busy = s.Lease.RunID
			return errBusy
		}
		again(s)
		s.Lease = &standing.Lease{RunID: r.RunID, Until: r.Moment.Now.Add(standing.LeaseLength)}
		s.Episodes = p.episodes
		for _, x := range p.steps {
			s.Acts[x.id] = x.begun(s.Acts[x.id], r.Moment.Now)
		}
		return nil
	})
	if errors.Is(err, errBusy) {
		return &r.result, nil
	}
	if err != nil {
		return nil, err
	}
	r.result.Told = p.told
	return &r.result, r.act(ctx, s, p)
}

// begun returns a step's act as it is while it is done.
func (x *step) begun(old *standing.Act, now time.Time) *standing.Act {
	if x.lift != "" {
		a := *old
		a.LiftAttempts, a.LiftAt, a.LiftOutcome = a.LiftAttempts+1, now, athenatrail.OutcomeBegun
		return &a
	}
	a := *x.act
	a.Attempts, a.At, a.Outcome = a.Attempts+1, now, athenatrail.OutcomeBegun
	if x.extend { // what stands still stands until it is made longer
		a.Outcome, a.Until = athenatrail.OutcomeDone, old.Until
	}
	return &a
}

// wantsMore tells whether something is reached that may be acted upon or told
// of, or stands: whether it is worth to look further than the report.
func (r *run) wantsMore(s *standing.State) bool {
	for _, a := range s.Acts {
		if a.Stands() {
			return true
		}
	}
	live := r.live(s, func(string, ...any) {})
	list, _ := r.reachedNow(s, live)
	return len(list) > 0
}

func (r *run) identify(ctx context.Context) error {
	if r.Identify == nil || r.DryRun {
		return nil
	}
	acts := func(l *limit.Limit) bool { return l.Mode == limit.Enforce }
	if len(r.All.Only(acts).All()) == 0 {
		return nil // who only tells need not be known to AWS
	}
	c, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	arn, clock, err := r.Identify(c)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	switch skew := r.Moment.Now.Sub(clock).Round(time.Second); {
	case err != nil:
		r.clock = "AWS cannot be asked who athenatrail is: " + awsconn.Explained(err).Error()
	case !clock.IsZero() && skew.Abs() > maxSkew:
		r.clock = fmt.Sprintf("this machine's clock is %s from AWS's", skew.Abs())
	}
	r.Caller = arn
	return nil
}

// look finds what is behind the subjects that are acted upon or told of.
func (r *run) look(ctx context.Context, s *standing.State) error {
	live := r.live(s, func(string, ...any) {})
	list, _ := r.reachedNow(s, live)
	recent := athenatrail.DateOf(r.Moment.Now) - recentDays
	var all []*searched
	for _, l := range r.Limits.All() {
		one := &searched{limit: l, picker: l.Picker(), until: r.Moment.At, recent: recent, wanted: map[limit.Subject]*found{}}
		for _, x := range list {
			if x.status.Limit != l {
				continue
			}
			act := l.Mode == limit.Enforce && x.threshold.Action.Acts() && !x.threshold.Estimated
			told := s.Acts[x.id(athenatrail.ActNotify, "")]
			tell := told == nil || told.Outcome != athenatrail.OutcomeDone
			if !act && !tell {
				continue
			}
			one.from = x.status.Start
			one.queries = one.queries || tell
			if one.wanted[x.status.Subject] == nil {
				one.wanted[x.status.Subject] = &found{principals: map[standing.Principal]*who{}}
			}
		}
		if len(one.wanted) > 0 {
			r.behind[l.Name] = one.wanted
			all = append(all, one)
		}
	}
	return r.search(ctx, all)
}

// act does the steps of a plan whose acts are claimed, and says what came of
// them.
func (r *run) act(ctx context.Context, s *standing.State, p *plan) error {
	begun := make([]athenatrail.LimitAction, 0, len(p.steps))
	for _, x := range p.steps {
		a := r.fact(x, r.Moment.Now)
		a.Outcome, a.Message = athenatrail.OutcomeBegun, ""
		if x.act.Action != athenatrail.ActNotify && x.act.Outcome != athenatrail.OutcomeSkipped {
			begun = append(begun, a)
		}
	}
	if err := r.store(ctx, begun); err != nil {
		return err
	}
	started := time.Now()
	renewed := started
	for _, x := range p.steps {
		if ctx.Err() != nil {
			break
		}
		if time.Since(renewed) > standing.LeaseLength/4 {
			if err := r.renew(ctx, time.Since(started)); err != nil {
				return err
			}
			renewed = time.Now()
		}
		if x.act.Action == athenatrail.ActNotify && x.lift == "" {
			continue // last, when it is known what was done
		}
		r.do(ctx, s, x)
	}
	// What was done is stored though the program was told to stop. Telling
	// comes after, and may take its time: who tells what is the notices' own
	// affair.
	if err := r.settle(ctx, p, true); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	r.notify(ctx, p)
	return r.settle(ctx, p, false)
}

// settle stores what came of the steps that have ended since the last time. With
// release it gives the lease back, which it must still have.
func (r *run) settle(ctx context.Context, p *plan, release bool) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	var ended []*step
	var done []athenatrail.LimitAction
	for _, x := range p.steps {
		if x.result == "" || x.settled {
			continue
		}
		x.settled = true
		ended = append(ended, x)
		if x.lift == "" && x.result == athenatrail.OutcomeSkipped && x.act.Outcome == x.result && x.act.Message == x.message {
			continue // that is known
		}
		done = append(done, r.fact(x, r.Moment.Now))
	}
	r.result.Done = append(r.result.Done, done...)
	if err := r.store(ctx, done); err != nil {
		return err
	}
	if len(ended) == 0 && !release {
		return nil
	}
	_, err := standing.Update(ctx, r.Lake, func(s *standing.State) error {
		if release {
			if s.Lease == nil || s.Lease.RunID != r.RunID {
				return errors.New("apply limits: another run took over: this one was too slow")
			}
			s.Lease = nil
		}
		for _, x := range ended {
			if a := s.Acts[x.id]; a != nil {
				x.note(a, r.Moment.Now)
			}
		}
		if r.clock == "" {
			r.purge(s)
		}
		return nil
	})
	return err
}

// note writes what came of a step into what stands.
func (x *step) note(a *standing.Act, now time.Time) {
	if x.lift != "" {
		a.LiftOutcome, a.LiftMessage = x.result, x.message
		if x.result == athenatrail.OutcomeDone || x.result == athenatrail.OutcomeSkipped {
			a.Lifted, a.ByHand = now, x.byHand
		}
		return
	}
	if x.extend && x.result != athenatrail.OutcomeDone {
		return // what stood still stands
	}
	a.Outcome, a.Message = x.result, x.message
	a.Until, a.Before, a.After, a.Principal = x.act.Until, x.act.Before, x.act.After, x.act.Principal
	if x.result == athenatrail.OutcomeDone {
		a.Lifted, a.LiftAttempts, a.LiftOutcome, a.LiftMessage, a.LiftAt = time.Time{}, 0, "", "", time.Time{}
	}
}

// How long an act is remembered after its window, so that it is not done again:
// what was stopped, as long as it could still be taken to run; else, of a
// window that moves, as long as such a window can be.
const (
	stopMemory = 10 * 24 * time.Hour
	actMemory  = 95 * 24 * time.Hour
	windowTail = 3 * 24 * time.Hour
)

// purge drops what no later run needs to know.
func (r *run) purge(s *standing.State) {
	now, at := r.Moment.Now, r.Moment.At
	if at.After(now) { // else a lake that is days behind is still in a window that is over by the clock
		at = now
	}
	maps.DeleteFunc(s.Acts, func(_ string, a *standing.Act) bool {
		switch {
		case a.Stands():
			return false
		case a.Action == athenatrail.ActStop:
			return now.Sub(a.At) > stopMemory
		case a.WindowEnd.IsZero():
			return now.Sub(a.At) > actMemory
		}
		return at.Sub(a.WindowEnd) > windowTail
	})
	s.Pauses = slices.DeleteFunc(s.Pauses, func(p *standing.Pause) bool { return !p.Holds(now.Add(-windowTail)) })
}

// renew makes the lease longer.
func (r *run) renew(ctx context.Context, passed time.Duration) error {
	_, err := standing.Update(ctx, r.Lake, func(s *standing.State) error {
		if s.Lease == nil || s.Lease.RunID != r.RunID {
			return errors.New("apply limits: another run took over: this one was too slow")
		}
		s.Lease.Until = r.Moment.Now.Add(passed + standing.LeaseLength)
		return nil
	})
	return err
}

// store merges facts into their partitions.
func (r *run) store(ctx context.Context, list []athenatrail.LimitAction) error {
	parts := map[athenatrail.Partition][]athenatrail.LimitAction{}
	for _, a := range list {
		parts[a.Home] = append(parts[a.Home], a)
	}
	for _, p := range slices.SortedFunc(maps.Keys(parts), athenatrail.Partition.Compare) {
		if _, err := lake.Merge(ctx, r.Lake, lake.LimitActions, p, parts[p]); err != nil {
			return err
		}
	}
	return nil
}

// do does one step, once what it depends on allows it.
func (r *run) do(ctx context.Context, s *standing.State, x *step) {
	c, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var err error
	switch {
	case x.lift != "":
		err = r.takeBack(c, s, x)
	case x.spare != "":
		err = &skipped{x.spare}
	default:
		err = r.carryOut(c, s, x)
	}
	x.ended(err)
}

// ended notes what came of a step.
func (x *step) ended(err error) {
	var skip *skipped
	switch {
	case err == nil:
		x.result = athenatrail.OutcomeDone
	case errors.As(err, &skip):
		x.result, x.message = athenatrail.OutcomeSkipped, skip.why
	default:
		x.result, x.message = athenatrail.OutcomeFailed, awsconn.Explained(err).Error()
	}
}

func (r *run) carryOut(ctx context.Context, s *standing.State, x *step) error {
	a := x.act
	switch a.Action {
	case athenatrail.ActStop:
		if x.spark {
			return r.calls.terminateSession(ctx, a.Account, a.Region, a.Target)
		}
		return r.calls.stopQuery(ctx, a.Account, a.Region, a.Target)
	case athenatrail.ActBlock:
		l := r.All.Named(a.Limit)
		return r.calls.editPolicy(ctx, a.Principal, func(d *document) bool {
			d.dropEnded(r.Moment.Now)
			d.set(denyStatement(a.Sid, a.Principal, l.WorkGroups(), a.Until))
			return true
		})
	case athenatrail.ActWorkGroupState:
		return r.disable(ctx, s, x)
	case athenatrail.ActWorkGroupCutoff:
		return r.cutOff(ctx, s, x)
	}
	return fmt.Errorf("action %q: this athenatrail does not know it", a.Action)
}

// disable disables a work group, and remembers how it was.
func (r *run) disable(ctx context.Context, s *standing.State, x *step) error {
	a := x.act
	was, err := r.calls.workGroup(ctx, a.Account, a.Region, a.Subject)
	if err != nil {
		return err
	}
	switch other := beside(s, x.id, a); {
	case other != nil:
		a.Before, a.After = other.Before, other.After
		x.message = "limit " + other.Limit + " had disabled it already"
		return nil
	case x.again() && a.Before != nil && was.State == disabled:
		return nil // a run that ended early did it
	case was.State == disabled:
		return skip("it was disabled already, by somebody else")
	}
	a.Before, a.After = &standing.WorkGroup{State: was.State}, &standing.WorkGroup{State: disabled}
	if err := r.noteBefore(ctx, x); err != nil {
		return err
	}
	return r.calls.setWorkGroup(ctx, a.Account, a.Region, a.Subject, disabled, 0)
}

const disabled = "DISABLED"

// cutOff lowers what one query of a work group may scan.
func (r *run) cutOff(ctx context.Context, s *standing.State, x *step) error {
	a, want := x.act, x.status.Limit.Cutoff
	was, err := r.calls.workGroup(ctx, a.Account, a.Region, a.Subject)
	if err != nil {
		return err
	}
	if x.again() && a.Before != nil && was.Cutoff == want {
		return nil // a run that ended early did it
	}
	if was.Cutoff > 0 && was.Cutoff <= want {
		return skip("its queries are cut off at %d bytes already", was.Cutoff)
	}
	before := was.Cutoff
	if other := beside(s, x.id, a); other != nil && other.Before != nil {
		before = other.Before.Cutoff
	}
	a.Before, a.After = &standing.WorkGroup{Cutoff: before}, &standing.WorkGroup{Cutoff: want}
	x.message = "BytesScannedCutoffPerQuery " + strconv.FormatInt(want, 10) + ", was " + cutoffText(before)
	if err := r.noteBefore(ctx, x); err != nil {
		return err
	}
	return r.calls.setWorkGroup(ctx, a.Account, a.Region, a.Subject, "", want)
}

func cutoffText(n int64) string {
	if n == 0 {
		return "none"
	}
	return strconv.FormatInt(n, 10)
}

// again tells whether an act was begun before.
func (x *step) again() bool { return x.act.Attempts > 0 }

// noteBefore writes down how a work group was before it is changed: a run that
// dies must not take what it did for how it was.
func (r *run) noteBefore(ctx context.Context, x *step) error {
	_, err := standing.Update(ctx, r.Lake, func(s *standing.State) error {
		if s.Lease == nil || s.Lease.RunID != r.RunID {
			return errors.New("another run took over")
		}
		if a := s.Acts[x.id]; a != nil {
			a.Before, a.After = x.act.Before, x.act.After
		}
		return nil
	})
	return err
}

// beside returns another act of the same kind that stands for the same work
// group, the tightest of several; nil if there is none.
func beside(s *standing.State, id string, a *standing.Act) (found *standing.Act) {
	for _, other := range slices.Sorted(maps.Keys(s.Acts)) {
		o := s.Acts[other]
		if other == id || o.Action != a.Action || o.Target != a.Target || !o.Stands() || o.After == nil {
			continue
		}
		if found == nil || o.After.Cutoff < found.After.Cutoff {
			found = o
		}
	}
	return found
}

// takeBack takes a block away, or puts a work group back as it was.
func (r *run) takeBack(ctx context.Context, s *standing.State, x *step) error {
	a := x.act
	if a.Action == athenatrail.ActBlock {
		return r.calls.editPolicy(ctx, a.Principal, func(d *document) bool { return d.drop(a.Sid) })
	}
	if a.Before == nil || a.After == nil {
		return skip("it is not known how it was")
	}
	if other := beside(s, x.id, a); other != nil {
		if a.Action == athenatrail.ActWorkGroupState || other.After.Cutoff <= a.After.Cutoff {
			return skip("limit %s keeps it so", other.Limit)
		}
		is, err := r.calls.workGroup(ctx, a.Account, a.Region, a.Subject)
		if err != nil {
			return err
		}
		if is.Cutoff != a.After.Cutoff {
			return skip("somebody changed it meanwhile: it is left as it is")
		}
		return r.calls.setWorkGroup(ctx, a.Account, a.Region, a.Subject, "", other.After.Cutoff)
	}
	is, err := r.calls.workGroup(ctx, a.Account, a.Region, a.Subject)
	if err != nil {
		return err
	}
	if a.Action == athenatrail.ActWorkGroupState {
		switch is.State {
		case a.Before.State:
			return nil
		case a.After.State:
			return r.calls.setWorkGroup(ctx, a.Account, a.Region, a.Subject, a.Before.State, 0)
		}
		return skip("somebody changed it meanwhile: it is left as it is")
	}
	switch is.Cutoff {
	case a.Before.Cutoff:
		return nil
	case a.After.Cutoff:
		back := a.Before.Cutoff
		if back == 0 {
			back = -1
		}
		return r.calls.setWorkGroup(ctx, a.Account, a.Region, a.Subject, "", back)
	}
	return skip("somebody changed it meanwhile: it is left as it is")
}

// fact returns what is told of a step.
func (r *run) fact(x *step, now time.Time) athenatrail.LimitAction {
	a := x.act
	f := athenatrail.LimitAction{
		ID: x.id, Attempt: int32(a.Attempts + 1), Time: now, RunID: r.RunID,
		LimitName: a.Limit, Mode: a.Mode, SubjectKind: a.SubjectKind, Subject: a.Subject, Person: a.Person,
		WindowStart: a.WindowStart, WindowEnd: a.WindowEnd, Threshold: a.Threshold,
		Action: a.Action, Target: a.Target, Until: a.Until, Outcome: x.result, Message: x.message,
	}
	if a.Principal != nil && a.Principal.Session != "" {
		f.Target += " session " + a.Principal.Session
	}
	account, region := a.Account, a.Region
	switch a.Action {
	case athenatrail.ActStop:
		f.Operation = "athena:StopQueryExecution"
		if x.spark {
			f.Operation = "athena:TerminateSession"
		}
	case athenatrail.ActBlock:
		_, f.Operation = policyTarget(a.Principal)
		region = athenatrail.GlobalRegion
	case athenatrail.ActWorkGroupState, athenatrail.ActWorkGroupCutoff:
		f.Operation = "athena:UpdateWorkGroup"
	}
	f.Home = athenatrail.NewPartition(now, account, region)
	if x.lift != "" {
		f.ID, f.Attempt = idOf(x.id, "lift", a.At.UTC().Format(time.RFC3339Nano)), int32(a.LiftAttempts+1)
		f.Action, f.Reason, f.LiftedBy = athenatrail.ActLift, x.lift, "athenatrail"
		if x.byHand {
			f.LiftedBy = x.by
		}
	}
	if st := x.status; st != nil {
		amount := st.Limit.Amount
		f.Used, f.Allowed, f.Unit = number(amount.Decimal(st.Used)), number(amount.Decimal(amount.Value)), amount.UnitName()
	} else if l := r.All.Named(a.Limit); l != nil {
		f.Allowed, f.Unit = number(l.Amount.Decimal(l.Amount.Value)), l.Amount.UnitName()
	}
	return f
}

func number(text string) float64 {
	f, _ := strconv.ParseFloat(text, 64)
	return f
}

// Lift takes back what stands and is meant, by hand: it is not done again in
// its window. By is who does it.
func Lift(ctx context.Context, o Options, by string, is func(*standing.Act) bool) (*Result, error) {
	r := &run{Options: o, calls: newCaller(o.Config), behind: map[string]map[limit.Subject]*found{}}
	p := &plan{}
	choose := func(s *standing.State) {
		p.steps, p.episodes = nil, s.Episodes
		for _, id := range slices.Sorted(maps.Keys(s.Acts)) {
			if a := s.Acts[id]; a.Stands() && is(a) {
				p.steps = append(p.steps, &step{id: id, act: a, lift: "lifted by hand", byHand: true, by: by})
			}
		}
	}
	s, err := standing.Load(ctx, o.Lake)
	if err != nil {
		return nil, err
	}
	if choose(s); len(p.steps) == 0 || o.DryRun {
		for _, x := range p.steps {
			r.result.Done = append(r.result.Done, r.fact(x, r.Moment.Now))
		}
		return &r.result, nil
	}
	return r.claim(ctx, p, choose)
}
