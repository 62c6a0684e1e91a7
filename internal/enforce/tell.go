package enforce

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/limit"
	"github.com/athenatrail/athenatrail/internal/notify"
)

// noTeller is why nobody was told.
const noTeller = "nobody is told: the configuration names no channel under notify"

// notify sends one message for each threshold that is reached for the first
// time in its window, and one for each that is lifted. It goes last, so that
// messages can say what was done.
func (r *run) notify(ctx context.Context, p *plan) {
	var steps []*step
	var messages []notify.Message
	for _, x := range p.steps {
		if x.act.Action == athenatrail.ActNotify && x.lift == "" {
			steps = append(steps, x)
			messages = append(messages, r.message(x, p))
		}
	}
	messages = append(messages, r.liftMessages(p)...)
	if r.Teller == nil {
		for _, x := range steps {
			x.ended(&skipped{noTeller})
		}
		return
	}
	sent, err := r.Teller.Send(ctx, r.Moment.Now, messages)
	r.result.Notice = sent
	for _, x := range steps {
		x.ended(err)
		if err == nil && sent.Nobody >= len(messages) {
			x.ended(&skipped{"no channel is for it"})
		}
	}
}

// keyOf names a message: the same, whoever makes it.
func keyOf(x *step, what string) string {
	a := x.act
	subject := strings.Join(slices.DeleteFunc([]string{a.Subject, a.SubjectAccount, a.SubjectRegion}, func(s string) bool { return s == "" }), "/")
	return strings.Join([]string{"limit", a.Limit, a.SubjectKind, subject, what, a.WindowStart.UTC().Format(time.RFC3339)}, "/")
}

// message says that a threshold is reached, and what came of it.
func (r *run) message(x *step, p *plan) notify.Message {
	st, l := x.status, x.status.Limit
	m := notify.Message{
		Key: keyOf(x, x.threshold.String()), At: x.act.WindowStart, Kind: notify.LimitWarn,
		SubjectKind: string(l.Per), Subject: st.Subject.String(),
		Limit: l.Name, LimitText: l.Text(), Threshold: x.threshold.Percent, Percent: st.Percent(),
		Used: l.Amount.Format(st.Used), Allowed: l.Amount.String(), Start: st.Start, End: st.End, HowToAsk: l.AskForMore,
	}
	switch l.Per {
	case limit.PerPerson:
		m.Person = st.Subject.Name
	case limit.PerTeam:
		m.Team = st.Subject.Name
	}
	if f := r.behind[l.Name][st.Subject]; f != nil {
		f.trim()
		for _, q := range f.top {
			m.Queries = append(m.Queries, q.told())
		}
		if len(f.top) > 0 && (l.Measure == limit.ScannedBytes || l.Measure == limit.QueryBytes) && f.top[0].Bytes != nil && *f.top[0].Bytes*2 > st.Used {
			m.Advice = append(m.Advice, fmt.Sprintf("One query, %s, scanned more than half of it: see whether it filters on the partition columns of its tables and names only the columns that it needs.", f.top[0].ID))
		}
	}
	m.Done, m.Kind = r.doneBy(x, p)
	if st.Estimated > 0 {
		m.Done = append(m.Done, fmt.Sprintf("%s of it is an estimate of what still runs.", l.Amount.Format(st.Estimated)))
	}
	return m
}

func (q *Query) told() notify.Query {
	t := notify.Query{ID: q.ID, Started: q.At, Bytes: -1}
	if q.Bytes != nil {
		t.Bytes = *q.Bytes
	}
	if q.Cost != nil {
		t.Cost = limit.Amount{Measure: limit.Cost, Unit: q.Currency}.Format(int64(*q.Cost))
	}
	return t
}

// doneBy says in sentences what the run did for the threshold.
func (r *run) doneBy(x *step, p *plan) (list []string, kind notify.Kind) {
	kind = notify.LimitWarn
	l := x.status.Limit
	if x.threshold.Action == limit.Notify {
		return nil, kind
	}
	if l.Mode != limit.Enforce {
		return []string{fmt.Sprintf("Nothing was done: %s is in mode %s.", l.Name, l.Mode)}, kind
	}
	counts := map[string]int{}
	var until time.Time
	var not []string
	for _, o := range p.steps {
		if o.status == nil || o.lift != "" || o.act.Limit != x.act.Limit || o.status.Subject != x.status.Subject || o.act.Action == athenatrail.ActNotify {
			continue
		}
		if o.result != athenatrail.OutcomeDone {
			if text := o.act.Action + ": " + o.message; o.message != "" && !slices.Contains(not, text) {
				not = append(not, text)
			}
			continue
		}
		counts[o.act.Action]++
		if o.act.Action == athenatrail.ActBlock {
			until = o.act.Until
		}
	}
	if n := counts[athenatrail.ActStop]; n > 0 {
		kind = notify.LimitStop
		noun := "queries"
		if n == 1 {
			noun = "query"
		}
		if l.Measure == limit.DPUTime || l.Measure == limit.Cost {
			noun += " or sessions"
		}
		list = append(list, fmt.Sprintf("Athena was told to stop %d %s.", n, noun))
	}
	if counts[athenatrail.ActWorkGroupCutoff] > 0 {
		kind = notify.LimitStop
		list = append(list, "Queries of the work group are cut off at "+limit.Amount{Measure: limit.QueryBytes, Unit: l.Amount.Unit}.Format(l.Cutoff)+" until the window ends.")
	}
	if counts[athenatrail.ActBlock] > 0 {
		kind = notify.LimitBlock
		list = append(list, "Nothing new can be started until "+until.UTC().Format("2006-01-02 15:04")+" UTC.")
	}
	if counts[athenatrail.ActWorkGroupState] > 0 {
		kind = notify.LimitBlock
		list = append(list, "The work group is disabled until the window ends.")
	}
	const most = 3
	for i, text := range not {
		if i == most {
			list = append(list, fmt.Sprintf("And %d more that were not done.", len(not)-most))
			break
		}
		list = append(list, "Not done: "+text+".")
	}
	if len(list) == 0 {
		why := "nothing of it runs"
		if behind := r.clock; behind != "" {
			why = behind
		} else if behind := r.Moment.Behind(l); behind != "" {
			why = behind
		}
		list = append(list, "Nothing was stopped: "+why+".")
	}
	return list, kind
}

// liftMessages tell whom a block was taken from, once for all their principals.
func (r *run) liftMessages(p *plan) (list []notify.Message) {
	seen := map[string]bool{}
	for _, x := range p.steps {
		if x.lift == "" || x.result != athenatrail.OutcomeDone {
			continue
		}
		key := keyOf(x, x.act.Threshold+"/lift/"+x.act.At.UTC().Format(time.RFC3339Nano))
		if seen[key] {
			continue
		}
		seen[key] = true
		subject := limit.Subject{Name: x.act.Subject, Account: x.act.SubjectAccount, Region: x.act.SubjectRegion}
		m := notify.Message{
			Key: key, At: x.act.At, Kind: notify.LimitLift, SubjectKind: x.act.SubjectKind, Subject: subject.String(), Limit: x.act.Limit,
			Start: x.act.WindowStart, End: x.act.WindowEnd, Done: []string{"Lifted: " + x.lift + "."},
		}
		if l := r.All.Named(x.act.Limit); l != nil {
			m.LimitText, m.Allowed, m.HowToAsk = l.Text(), l.Amount.String(), l.AskForMore
		}
		switch x.act.SubjectKind {
		case string(limit.PerPerson):
			m.Person = x.act.Subject
		case string(limit.PerTeam):
			m.Team = x.act.Subject
		}
		list = append(list, m)
	}
	return list
}
