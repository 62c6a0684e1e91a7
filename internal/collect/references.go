package collect

import (
	"context"
	"encoding/json"
	"maps"
	"strings"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/glob"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/rebuild"
)

// References says whom to ask about what calls refer to. What is nil is not
// asked about. Answers are JSON as [athenatrail.Reference] has it by kind; an
// answer that is empty says that AWS does not know the subject, or that it was
// not asked.
type References struct {
	// Tags and Settings answer with the one member that each tells. The error
	// is ErrNoRole where there is no way into the account.
	Tags     func(ctx context.Context, account, region, workGroup string) (answer string, err error)
	Settings func(ctx context.Context, account, region, workGroup string) (answer string, err error)

	User func(ctx context.Context, identityStoreARN, userID string) (answer string, err error)

	// Accounts may answer along with an error, with what could be learnt. The
	// partitions are not filled in, nor are those of Given, which is what the
	// user says of accounts and goes before it.
	Accounts func(ctx context.Context) ([]athenatrail.Reference, error)
	Given    []athenatrail.Reference

	Catalog *Catalog
}

// userAge is how long what is known of a user counts, before Identity Center
// is asked again.
const userAge = 30

// references asks about what the derived days refer to, stores what differs
// from the last answer, and marks the days that derive from it. It reports
// whether it marked any.
func (r *run) references(ctx context.Context, seen rebuild.Seen) (marked bool, err error) {
	if r.References == nil {
		return false, nil
	}
	all, err := rebuild.NewReferences(r.Lake).All(ctx)
	if err != nil {
		return false, err
	}
	l, err := r.newLearning(ctx, all)
	if err != nil {
		return false, err
	}
	ask := r.References
	l.workGroups(ctx, "work_group_tags", "Tags", "read the tags of work groups", ask.Tags, &seen)
	l.workGroups(ctx, "work_group_settings", "WorkGroup", "read the settings of work groups", ask.Settings, &seen)
	l.users(ctx, &seen)
	l.accounts(ctx)
	if err := ctx.Err(); err != nil {
		return false, err
	}
	l.tellFailures()
	if err := r.mergeReferences(ctx, l.same); err != nil {
		return false, err
	}
	if marked, err = r.storeReferences(ctx, l.news(), all); err != nil {
		return marked, err
	}
	// Noted last: a run that is killed before asks again.
	for _, a := range l.noted {
		if err := r.Lake.SetAsked(ctx, a); err != nil {
			return marked, err
		}
	}
	return marked, nil
}

// storeReferences stores new answers. The days that derive from them are
// marked before, because an answer that is held is not new to the next run,
// and again after, because the first marks may be gone by then.
func (r *run) storeReferences(ctx context.Context, news, all []athenatrail.Reference) (marked bool, err error) {
	if len(news) == 0 {
		return false, nil
	}
	before, err := r.ofReferences(ctx, news, all)
	if err != nil {
		return false, err
	}
	if err := r.setMarks(ctx, before); err != nil {
		return false, err
	}
	if err := r.mergeReferences(ctx, news); err != nil {
		return false, err
	}
	after, err := r.ofReferences(ctx, news, all)
	if err != nil {
		return false, err
	}
	maps.Copy(after, before)
	return len(after) > 0, r.setMarks(ctx, after)
}

func (r *run) mergeReferences(ctx context.Context, rows []athenatrail.Reference) error {
	if err := keep(ctx, &r.entrance, lake.References, &rows); err != nil {
		return err
	}
	for p, rows := range byPartition(lake.References, rows) {
		n, err := lake.Merge(ctx, r.Lake, lake.References, p, rows)
		if err != nil {
			return err
		}
		r.sum.Changed += int64(n)
	}
	return nil
}

// newParts returns the parts of new answers that nobody was told before: what
// derived days differ by.
func newParts(news, all []athenatrail.Reference) []rebuild.Part {
	last := map[string]string{}
	for i := range all {
		for _, part := range rebuild.Parts(&all[i]) {
			last[partKey(&part)] = part.Answer
		}
	}
	var parts []rebuild.Part
	for i := range news {
		for _, part := range rebuild.Parts(&news[i]) {
			if answer, ok := last[partKey(&part)]; !ok || answer != part.Answer {
				parts = append(parts, part)
			}
		}
	}
	return parts
}

// ofReferences returns the days that derive from new answers: of an account or
// a work group its own, if they change what days derive from; of a user those
// whose tables name them, and those that somebody may be deriving at the moment.
func (r *run) ofReferences(ctx context.Context, news, all []athenatrail.Reference) (days, error) {
	parts := newParts(news, all)
	if len(parts) == 0 {
		return days{}, nil
	}
	first := map[string]athenatrail.Date{} // of a part, the day when it was first told
	names := map[string][]string{}         // of a user, what tables may call them
	for i := range all {
		ref := &all[i]
		for _, part := range rebuild.Parts(ref) {
			key := partKey(&part)
			if _, ok := first[key]; !ok {
				first[key] = ref.Home.Date
			}
		}
		if ref.Kind == athenatrail.KindIdentityUser {
			key := subjectKey(ref)
			var is struct{ Email, Name string }
			_ = json.Unmarshal([]byte(ref.Answer), &is)
			names[key] = append(names[key], is.Email, glob.Lower(is.Email), is.Name, glob.Lower(is.Name))
		}
	}
	marked, err := r.Lake.Marks(ctx)
	if err != nil {
		return nil, err
	}
	underWay := map[athenatrail.Partition]bool{}
	for _, m := range marked {
		underWay[m.Partition] = true
	}
	marks := days{}
	for file, err := range lake.Partitions(ctx, r.Lake, lake.Events, 0, 0) {
		if err != nil {
			return nil, err
		}
		users := map[string]bool{}
		for i := range parts {
			ref := &parts[i].Reference
			// The first answer about a subject counts for the days before too.
			if oldest, ok := first[partKey(&parts[i])]; ok && oldest <= ref.Home.Date && file.Date < ref.Home.Date {
				continue
			}
			switch {
			case ref.Kind == athenatrail.KindIdentityUser:
				users[ref.ID] = true
				for _, name := range names[subjectKey(ref)] {
					users[name] = true
				}
			case file.Account == ref.Home.Account && (ref.Kind == athenatrail.KindAccount || file.Region == ref.Home.Region):
				marks[file.Partition] = true
			}
		}
		delete(users, "")
		if marks[file.Partition] || len(users) == 0 {
			continue
		}
		named := underWay[file.Partition]
		if !named {
			if named, err = r.names(ctx, file.Partition, users); err != nil {
				return nil, err
			}
		}
		if named {
			marks[file.Partition] = true
		}
	}
	return marks, nil
}

// names tells whether a day's tables name one of the users, by id or as they
// were known before.
func (r *run) names(ctx context.Context, p athenatrail.Partition, users map[string]bool) (bool, error) {
	type activity struct {
		Person string `parquet:"person"`
		User   string `parquet:"identity_center_user_id,optional"`
	}
	type session struct {
		EndedBy string `parquet:"ended_by,optional"`
	}
	type calculation struct {
		Person    string `parquet:"person"`
		StoppedBy string `parquet:"stopped_by,optional"`
	}
	for a, err := range lake.ReadAs[activity](ctx, r.Lake, lake.Activity, p) {
		if err != nil || users[a.Person] || users[a.User] {
			return err == nil, err
		}
	}
	for s, err := range lake.ReadAs[session](ctx, r.Lake, lake.Sessions, p) {
		if err != nil || users[s.EndedBy] {
			return err == nil, err
		}
	}
	for c, err := range lake.ReadAs[calculation](ctx, r.Lake, lake.Calculations, p) {
		if err != nil || users[c.Person] || users[c.StoppedBy] {
			return err == nil, err
		}
	}
	return false, nil
}

// subjectKey names what a reference is about.
func subjectKey(r *athenatrail.Reference) string {
	place := ""
	if r.Kind == athenatrail.KindWorkGroup {
		place = r.Home.Name()
	}
	return strings.Join([]string{r.Kind, place, r.ID}, "\x00")
}

func partKey(p *rebuild.Part) string { return subjectKey(&p.Reference) + "\x00" + p.Name }
