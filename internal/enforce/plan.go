package enforce

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/limit"
	"github.com/athenatrail/athenatrail/internal/standing"
)

// A step is one thing to do.
type step struct {
	id   string // of the act
	act  *standing.Act
	lift string // why it is lifted; empty: it is done

	status    *limit.Status // nil for a lift of what no limit speaks of any more
	threshold limit.Threshold
	spare     string // why it is not done; empty: it is
	spark     bool   // what is stopped is a session
	extend    bool   // a block that stands is made longer

	byHand bool   // somebody lifts it
	by     string // who

	// What came of it; result is empty where it was not tried.
	result, message string
	settled         bool // and it is stored
}

// idOf returns the id of an act: what it is of, not who does it or when.
func idOf(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:16])
}

// episodeKey names a threshold of a subject, over all windows.
func episodeKey(l *limit.Limit, s limit.Subject, t limit.Threshold) string {
	return idOf(l.Name, string(l.Per), s.Name, s.Account, s.Region, t.String())
}

// rearmPercent is below what part of a threshold use must fall, in a window
// that moves, for it to be told of again: the same that limits simulate takes.
const rearmPercent = 90

// A plan is what one run does.
type plan struct {
	steps    []*step
	episodes map[string]standing.Episode // as they are to be
	told     []string                    // what is not done, for a reason that is no fact
}

// reached is a threshold that a status has come to, with the window it is of.
type reached struct {
	status    *limit.Status
	threshold limit.Reached
	start     time.Time
}

func (r *reached) id(action, target string) string {
	s := r.status
	return idOf(s.Limit.Name, string(s.Limit.Per), s.Subject.Name, s.Subject.Account, s.Subject.Region,
		r.start.UTC().Format(time.RFC3339), r.threshold.String(), action, target)
}

// act returns what an act of the threshold is, before anything is known of it.
func (r *reached) act(action string) *standing.Act {
	s := r.status
	return &standing.Act{
		Limit: s.Limit.Name, Mode: string(s.Limit.Mode), SubjectKind: string(s.Limit.Per),
		Subject: s.Subject.Name, SubjectAccount: s.Subject.Account, SubjectRegion: s.Subject.Region,
		WindowStart: r.start, WindowEnd: s.End, Threshold: r.threshold.String(), Action: action,
		Account: s.Subject.Account, Region: s.Subject.Region,
	}
}

// live returns the limits that do more than observe and are not paused, and
// says what is paused.
func (r *run) live(s *standing.State, say func(string, ...any)) map[string]*limit.Limit {
	live := map[string]*limit.Limit{}
	for _, l := range r.Limits.All() {
		if l.Mode == limit.Observe {
			continue
		}
		if p := s.Paused(l.Name, r.Moment.Now); p != nil {
			say("limit %s: paused %s", l.Name, p)
			continue
		}
		live[l.Name] = l
	}
	return live
}

// reachedNow returns the thresholds that are reached, and the episodes as they
// are now. A window that moves has no beginning: what it is of begins when its
// threshold is reached, and ends when use has fallen well below it.
func (r *run) reachedNow(s *standing.State, live map[string]*limit.Limit) (list []*reached, episodes map[string]standing.Episode) {
	episodes = maps.Clone(s.Episodes)
	seen := map[string]bool{}
	for i := range r.Report.Statuses {
		st := &r.Report.Statuses[i]
		if live[st.Limit.Name] == nil || st.State == limit.Exempted {
			continue
		}
		for _, t := range st.Reached {
			start := st.Start
			if st.Limit.Window.Rolling() {
				key := episodeKey(st.Limit, st.Subject, t.Threshold)
				seen[key] = true
				if began, ok := episodes[key]; ok {
					start = began.Since
				} else {
					start = r.Moment.Now.Truncate(time.Second)
					episodes[key] = standing.Episode{Limit: st.Limit.Name, Since: start}
				}
			}
			list = append(list, &reached{st, t, start})
		}
		for _, t := range st.Limit.Thresholds { // those that are nearly reached go on
			key := episodeKey(st.Limit, st.Subject, t)
			if _, ok := episodes[key]; ok && !seen[key] && st.Percent() >= float64(t.Percent)*rearmPercent/100 {
				seen[key] = true
			}
		}
	}
	for key, e := range episodes { // of limits that are not looked at nothing is known
		if !seen[key] && r.sure() && (live[e.Limit] != nil || r.All.Named(e.Limit) == nil) {
			delete(episodes, key)
		}
	}
	return list, episodes
}

// sure tells whether the report is one of now, by a clock and a lake that agree,
// so that somebody who is not in it is not over anything.
func (r *run) sure() bool { return r.clock == "" && r.Moment.At.Equal(r.Moment.Now) }

// blockStep is for how long somebody is blocked whose window moves, at a time:
// a quarter of it, an hour at least and a day at most.
func blockStep(w limit.Window) time.Duration {
	return max(time.Hour, min(w.Length()/4, 24*time.Hour))
}

// plan says what is to be done about what is reached, and what is to be lifted.
func (r *run) plan(s *standing.State) *plan {
	p := &plan{}
	say := func(format string, args ...any) { p.told = append(p.told, fmt.Sprintf(format, args...)) }
	live := r.live(s, say)
	var list []*reached
	list, p.episodes = r.reachedNow(s, live)
	acting := map[string]bool{} // limits that may act
	for _, l := range r.Limits.All() {
		if live[l.Name] == nil || l.Mode != limit.Enforce {
			continue
		}
		switch why := cmp.Or(r.clock, r.Moment.Behind(l)); {
		case why == "":
			acting[l.Name] = true
		case slices.ContainsFunc(list, func(x *reached) bool { return x.status.Limit == l && x.threshold.Action != limit.Notify }):
			say("limit %s only notifies: %s", l.Name, why)
		}
	}
	p.lifts(r, s, live, list)
	for _, x := range list {
		if acting[x.status.Limit.Name] && !x.threshold.Estimated {
			p.acts(r, s, x)
		}
	}
	for _, x := range list {
		a := x.act(athenatrail.ActNotify)
		p.add(r, s, &step{id: x.id(athenatrail.ActNotify, ""), act: a, status: x.status, threshold: x.threshold.Threshold})
	}
	return p
}

// add adds a step that is still to be done.
func (p *plan) add(r *run, s *standing.State, x *step) {
	old := s.Acts[x.id]
	if old != nil {
		if old.ByHand || old.Outcome == athenatrail.OutcomeDone && old.Lifted.IsZero() && !x.extend {
			return
		}
		if old.Outcome == athenatrail.OutcomeSkipped && (x.act.Action == athenatrail.ActNotify || x.spare != "" && x.spare == old.Message) {
			return // nothing has changed
		}
		if old.Lifted.IsZero() && !x.extend && !r.due(old.Outcome, old.Attempts, old.At) {
			return
		}
		x.act.Attempts, x.act.Outcome, x.act.Message = old.Attempts, old.Outcome, old.Message
		x.act.Before, x.act.After = old.Before, old.After
		if x.act.Principal != nil && old.Principal != nil && x.act.Principal.Path == "" {
			x.act.Principal.Path = old.Principal.Path
		}
		if !old.Lifted.IsZero() {
			x.act.Outcome, x.act.Message, x.act.Before, x.act.After = "", "", nil, nil
		}
	}
	p.steps = append(p.steps, x)
}

// due tells whether something that did not go well is to be tried again: at
// once, and then after pauses that double, from two minutes to an hour. What
// was only begun may still be under way.
func (r *run) due(outcome string, attempts int, last time.Time) bool {
	pause := time.Hour
	if outcome == athenatrail.OutcomeBegun {
		pause = standing.LeaseLength
	} else if attempts < 2 && outcome != athenatrail.OutcomeSkipped {
		return true
	}
	if shift := attempts - 2; outcome == athenatrail.OutcomeFailed && shift < 5 {
		pause = 2 * time.Minute << max(shift, 0)
	}
	waited := r.Moment.Now.Sub(last)
	return waited >= pause || waited < -time.Minute // the clock was set back
}

// acts adds what a threshold asks for beside telling.
func (p *plan) acts(r *run, s *standing.State, x *reached) {
	st, t := x.status, x.threshold.Threshold
	add := func(action, target string, fill func(*step)) {
		n := &step{id: x.id(action, target), act: x.act(action), status: st, threshold: t}
		n.act.Target = target
		fill(n)
		p.add(r, s, n)
	}
	spareAll := ""
	if st.Protected != "" {
		spareAll = "protected by " + st.Protected
	}
	if st.Limit.Per == limit.PerWorkGroup && !groupForm.MatchString(st.Subject.Name) {
		spareAll = "it is not the name of a work group"
	}
	group := "arn:" + partitionOf(st.Subject.Region) + ":athena:" + st.Subject.Region + ":" + st.Subject.Account + ":workgroup/" + st.Subject.Name
	switch {
	case t.Action == limit.Cutoff:
		add(athenatrail.ActWorkGroupCutoff, group, func(n *step) { n.spare = spareAll })
		return
	case t.Action == limit.Block && st.Limit.Per == limit.PerWorkGroup:
		add(athenatrail.ActWorkGroupState, group, func(n *step) { n.spare = spareAll })
		return
	}
	f := r.behind[st.Limit.Name][st.Subject]
	if f == nil {
		return
	}
	if t.Action == limit.Stop || t.Action == limit.Block {
		for _, q := range f.running {
			if slices.ContainsFunc(p.steps, func(o *step) bool {
				return o.lift == "" && o.act.Action == athenatrail.ActStop && o.act.Target == q.id && o.act.Account == q.account && o.status == st
			}) {
				continue // a lower threshold stops it
			}
			add(athenatrail.ActStop, q.id, func(n *step) {
				n.act.Account, n.act.Region, n.act.Person = q.account, q.region, q.by.person
				n.spark, n.spare = q.spark, q.by.spare
				n.id = idOf(st.Limit.Name, athenatrail.ActStop, q.account, q.region, q.id) // once, whatever the threshold
			})
		}
	}
	if t.Action != limit.Block || r.liftedByHand(s, x) {
		return
	}
	until := st.End
	if until.IsZero() {
		until = r.Moment.Now.Add(blockStep(st.Limit.Window)).Truncate(time.Second)
	}
	for _, pr := range slices.SortedFunc(maps.Keys(f.principals), func(a, b standing.Principal) int { return strings.Compare(a.String(), b.String()) }) {
		w := f.principals[pr]
		key := strings.Join([]string{pr.Account, pr.Kind, pr.Name, pr.Session, pr.SourceIdentity}, "/")
		id := x.id(athenatrail.ActBlock, key)
		extend := false
		if old := s.Acts[id]; old != nil && old.Stands() {
			if extend = old.Until.Sub(r.Moment.Now) < until.Sub(r.Moment.Now)/2; !extend {
				continue
			}
		}
		target, _ := policyTarget(&pr)
		if pr.Account == "" || pr.Kind != kindRole && pr.Kind != kindUser {
			target = pr.Name
		}
		add(athenatrail.ActBlock, target, func(n *step) {
			principal := pr
			n.id, n.extend, n.spare = id, extend, w.spare
			n.act.Account, n.act.Region, n.act.Person = pr.Account, "", w.person
			n.act.Principal, n.act.Until, n.act.Sid = &principal, until, sidPrefix+id
		})
	}
}

// liftedByHand tells whether somebody lifted a block of the threshold in its
// window: then nobody of the subject is blocked again in it.
func (r *run) liftedByHand(s *standing.State, x *reached) bool {
	st := x.status
	for _, a := range s.Acts {
		if a.ByHand && a.Limit == st.Limit.Name && a.Subject == st.Subject.Name && a.SubjectAccount == st.Subject.Account && a.SubjectRegion == st.Subject.Region &&
			a.Threshold == x.threshold.String() && a.WindowStart.Equal(x.start) {
			return true
		}
	}
	return false
}

// lifts adds what is to be taken back: what has ended, and what nothing asks
// for any more.
func (p *plan) lifts(r *run, s *standing.State, live map[string]*limit.Limit, list []*reached) {
	for _, id := range slices.Sorted(maps.Keys(s.Acts)) {
		a := s.Acts[id]
		if !a.Stands() || !r.due(a.LiftOutcome, a.LiftAttempts, a.LiftAt) && a.LiftAttempts > 0 {
			continue
		}
		if why := r.liftReason(s, a, live, list); why != "" {
			p.steps = append(p.steps, &step{id: id, act: a, lift: why})
		}
	}
}

// liftReason says why something that stands is to be taken back, or "". Nothing
// is taken back because of a clock or a lake that is not to be trusted, but
// where somebody said so.
func (r *run) liftReason(s *standing.State, a *standing.Act, live map[string]*limit.Limit, list []*reached) string {
	l := r.All.Named(a.Limit)
	switch {
	case l == nil:
		return "the limit is gone from the configuration"
	case l.Mode != limit.Enforce:
		return "the limit is in mode " + string(l.Mode)
	case s.Paused(a.Limit, r.Moment.Now) != nil:
		return "the limit is paused"
	case r.clock != "":
		return ""
	}
	ends := a.Until
	if a.Principal == nil {
		ends = a.WindowEnd
	}
	if !ends.IsZero() && !r.Moment.Now.Before(ends) {
		return "its time is over"
	}
	if live[a.Limit] == nil || r.Moment.Behind(l) != "" {
		return "" // it was not asked about, or the answer would be old
	}
	for i := range r.Report.Statuses {
		st := &r.Report.Statuses[i]
		if st.Limit.Name != a.Limit || st.Subject.Name != a.Subject || st.Subject.Account != a.SubjectAccount || st.Subject.Region != a.SubjectRegion {
			continue
		}
		switch {
		case st.State == limit.Exempted:
			return "exempt until " + st.ExemptUntil.UTC().Format(time.DateOnly)
		case st.Protected != "":
			return "protected by " + st.Protected
		case st.State == limit.Over:
			return ""
		case a.Action == athenatrail.ActWorkGroupCutoff && slices.ContainsFunc(list, func(x *reached) bool { return x.status == st && x.threshold.String() == a.Threshold }):
			return ""
		}
		return fmt.Sprintf("no longer over: %s of %s", l.Amount.Format(st.Used), l.Amount)
	}
	return "no longer over: nothing of it is in the window"
}

// partitionOf returns the partition of a region's ARNs.
func partitionOf(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}
