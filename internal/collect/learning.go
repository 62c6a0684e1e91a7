package collect

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/rebuild"
)

// A learning gathers what one run learns of what calls refer to.
type learning struct {
	*run
	last     map[string]*athenatrail.Reference // by subject, what was told last
	told     map[string]athenatrail.Reference  // by subject, what is known after this run
	same     []athenatrail.Reference           // what was told again and is to be stored all the same
	asked    map[string]bool                   // by what and place, what was asked today
	noted    []lake.Asking                     // what was asked by this run
	failures map[string]*failure
}

// A failure is what could not be asked, how often.
type failure struct {
	text  string
	times int
}

func (r *run) newLearning(ctx context.Context, all []athenatrail.Reference) (*learning, error) {
	l := &learning{
		run: r, last: map[string]*athenatrail.Reference{}, told: map[string]athenatrail.Reference{},
		asked: map[string]bool{}, failures: map[string]*failure{},
	}
	for i := range all {
		l.last[subjectKey(&all[i])] = &all[i]
	}
	asked, err := r.Lake.Asked(ctx)
	if err != nil {
		return nil, err
	}
	for _, a := range asked {
		if a.Place.Date == athenatrail.DateOf(r.Now) {
			l.asked[a.What+" "+a.Place.Name()] = true
		}
	}
	return l, nil
}

// note remembers that something was asked of an account and region today.
func (l *learning) note(what string, place athenatrail.Partition) {
	l.noted = append(l.noted, lake.Asking{What: what, Place: place})
}

// failed counts a failure. Those for want of one permission are one, whatever
// they were about.
func (l *learning) failed(what string, err error) {
	key := what + ": " + err.Error()
	var missing interface{ Permission() string }
	if errors.As(err, &missing) && missing.Permission() != "" {
		key = what + ": " + missing.Permission()
	}
	if l.failures[key] == nil {
		l.failures[key] = &failure{text: what + ": " + err.Error() + hintOf(err)}
	}
	l.failures[key].times++
}

func (l *learning) tellFailures() {
	for _, key := range slices.Sorted(maps.Keys(l.failures)) {
		f := l.failures[key]
		if f.times > 1 {
			l.sum.problem("%s; and %d more like it", f.text, f.times-1)
		} else {
			l.sum.problem("%s", f.text)
		}
	}
}

// tell takes an answer whose members replace those that were told before.
func (l *learning) tell(ref athenatrail.Reference) {
	if ref.Answer == "" {
		return
	}
	key := subjectKey(&ref)
	before := ""
	if known, ok := l.told[key]; ok {
		before = known.Answer
	} else if old := l.last[key]; old != nil {
		before = old.Answer
	}
	ref.Answer = overlaid(before, ref.Answer)
	l.told[key] = ref
}

// news returns what differs from what was told last, in a fixed order.
func (l *learning) news() (news []athenatrail.Reference) {
	for _, key := range slices.Sorted(maps.Keys(l.told)) {
		ref := l.told[key]
		if old := l.last[key]; ref.Answer != "" && (old == nil || old.Answer != ref.Answer) {
			news = append(news, ref)
		}
	}
	return news
}

// overlaid returns the JSON object under with the members of over in the place
// of its own. A text that is no object has no members.
func overlaid(under, over string) string {
	members := map[string]json.RawMessage{}
	if json.Unmarshal([]byte(under), &members) != nil {
		members = map[string]json.RawMessage{}
	}
	if json.Unmarshal([]byte(over), &members) != nil {
		return over
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(members) != nil {
		return over
	}
	return string(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}

// workGroups asks about the work groups in which something ran, once a day for
// each account and region, and about those of which nothing is known.
func (l *learning) workGroups(ctx context.Context, what, member, doing string, ask func(ctx context.Context, account, region, name string) (string, error), seen *rebuild.Seen) {
	if ask == nil {
		return
	}
	answered := map[athenatrail.Partition]bool{}
	for _, g := range seen.WorkGroups() {
		place := athenatrail.NewPartition(l.Now, g.Account, g.Region)
		ref := athenatrail.Reference{Home: place, Kind: athenatrail.KindWorkGroup, ID: g.Name}
		if l.asked[what+" "+place.Name()] && has(l.last[subjectKey(&ref)], member) {
			continue
		}
		var err error
		switch ref.Answer, err = ask(ctx, g.Account, g.Region, g.Name); {
		case errors.Is(err, ErrNoRole): // said of the account's details already
		case err != nil:
			l.failed(fmt.Sprintf("%s in %s %s", doing, g.Account, g.Region), err)
		case ref.Answer != "":
			answered[place] = true
			l.tell(ref)
		}
	}
	for _, place := range slices.SortedFunc(maps.Keys(answered), athenatrail.Partition.Compare) {
		l.note(what, place)
	}
}

// has reports whether an answer tells a member.
func has(ref *athenatrail.Reference, member string) bool {
	if ref == nil {
		return false
	}
	var members map[string]json.RawMessage
	return json.Unmarshal([]byte(ref.Answer), &members) == nil && members[member] != nil
}

// users asks about those that Identity Center knows by an id.
func (l *learning) users(ctx context.Context, seen *rebuild.Seen) {
	if l.References.User == nil {
		return
	}
	for _, id := range slices.Sorted(maps.Keys(seen.Users)) {
		ref := athenatrail.Reference{Home: athenatrail.NewPartition(l.Now, "", ""), Kind: athenatrail.KindIdentityUser, ID: id}
		old := l.last[subjectKey(&ref)]
		if old != nil && athenatrail.DateOf(l.Now)-old.Home.Date < userAge {
			continue
		}
		var err error
		if ref.Answer, err = l.References.User(ctx, seen.Users[id], id); err != nil {
			l.failed("ask Identity Center for its users", err)
			continue
		}
		if old != nil && old.Answer == ref.Answer {
			l.same = append(l.same, ref) // so that nobody asks again for a while
		}
		l.told[subjectKey(&ref)] = ref
	}
}

// accounts asks about all accounts once a day, and adds what the user says.
func (l *learning) accounts(ctx context.Context) {
	const what = "accounts"
	tell := func(refs []athenatrail.Reference) {
		for _, ref := range refs {
			ref.Home = athenatrail.NewPartition(l.Now, ref.ID, "")
			l.tell(ref)
		}
	}
	everywhere := athenatrail.NewPartition(l.Now, "", "")
	if l.References.Accounts != nil && !l.asked[what+" "+everywhere.Name()] {
		answers, err := l.References.Accounts(ctx)
		if err != nil {
			l.failed("ask Organizations for the accounts", err)
		} else {
			l.note(what, everywhere)
		}
		tell(answers)
	}
	tell(l.References.Given)
}
