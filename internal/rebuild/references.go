package rebuild

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/lake"
)

// References finds what AWS said of accounts, work groups and users on a day.
// There is a row only where an answer differed from the last one, so the files
// are few, and what they hold is remembered as long as they do not change. It
// is safe for concurrent use.
type References struct {
	lake *lake.Lake

	mu    sync.Mutex
	files map[string]referenceFile
}

type referenceFile struct {
	etag  string
	rows  []athenatrail.Reference
	parts []Part
}

// NewReferences returns the References of a lake.
func NewReferences(l *lake.Lake) *References {
	return &References{lake: l, files: map[string]referenceFile{}}
}

// A Part is one thing that a reference says. Each holds until the next that
// says the same of the same subject, whatever else is said meanwhile.
type Part struct {
	Name string
	athenatrail.Reference
}

// derivedFrom are the members of answers, by kind, that days derive from.
var derivedFrom = map[string][]string{
	athenatrail.KindAccount:   {"Name", "OU"},
	athenatrail.KindWorkGroup: {"Tags"},
}

// Parts returns what days derive from of a reference: of an account its name
// and its organizational unit, of a work group its tags, each as a reference
// that says nothing else. Any other is one part.
func Parts(r *athenatrail.Reference) []Part {
	names, ok := derivedFrom[r.Kind]
	if !ok {
		return []Part{{Reference: *r}}
	}
	var members map[string]json.RawMessage
	if json.Unmarshal([]byte(r.Answer), &members) != nil {
		return nil // it says nothing that could be read
	}
	var parts []Part
	for _, name := range names {
		if value, ok := members[name]; ok {
			part := Part{name, *r}
			part.Answer = fmt.Sprintf("{%q:%s}", name, value)
			parts = append(parts, part)
		}
	}
	return parts
}

// A subject is what a part is about. Accounts and users are the same in every
// region, work groups are a region's own.
type subject struct{ kind, part, id, account, region string }

func subjectOf(p *Part) subject {
	if p.Kind == athenatrail.KindWorkGroup {
		return subject{p.Kind, p.Name, p.ID, p.Home.Account, p.Home.Region}
	}
	return subject{kind: p.Kind, part: p.Name, id: p.ID}
}

// on returns the references that hold for a partition, one a part of a subject:
// the last one of its day or before. Where a subject was asked about later
// only, what was said first is taken to have held before.
func (x *References) on(ctx context.Context, p athenatrail.Partition) ([]athenatrail.Reference, error) {
	_, all, err := x.load(ctx)
	if err != nil {
		return nil, err
	}
	best := map[subject]*Part{}
	for i := range all {
		part := &all[i]
		s := subjectOf(part)
		if s.kind == athenatrail.KindWorkGroup && (s.account != p.Account || s.region != p.Region) {
			continue
		}
		if old := best[s]; old == nil || part.Home.Date <= p.Date {
			best[s] = part
		}
	}
	out := make([]athenatrail.Reference, 0, len(best))
	for i := range all {
		if part := &all[i]; best[subjectOf(part)] == part {
			out = append(out, part.Reference)
		}
	}
	return out, nil
}

// All returns every reference, oldest first.
func (x *References) All(ctx context.Context) ([]athenatrail.Reference, error) {
	all, _, err := x.load(ctx)
	return all, err
}

// load returns every reference and every part, oldest first.
func (x *References) load(ctx context.Context) (all []athenatrail.Reference, parts []Part, err error) {
	for file, err := range lake.Partitions(ctx, x.lake, lake.References, 0, 0) {
		if err != nil {
			return nil, nil, err
		}
		// The lock is not held while the lake is asked, so that the days that
		// are derived side by side do not wait for each other.
		x.mu.Lock()
		held, ok := x.files[file.Key]
		x.mu.Unlock()
		if !ok || held.etag != file.ETag {
			held = referenceFile{etag: file.ETag}
			for r, err := range lake.Read(ctx, x.lake, lake.References, file.Partition) {
				if err != nil {
					return nil, nil, err
				}
				held.rows = append(held.rows, *r)
				held.parts = append(held.parts, Parts(r)...)
			}
			x.mu.Lock()
			x.files[file.Key] = held
			x.mu.Unlock()
		}
		all, parts = append(all, held.rows...), append(parts, held.parts...)
	}
	slices.SortStableFunc(all, func(a, b athenatrail.Reference) int { return compareReferences(&a, &b) })
	slices.SortStableFunc(parts, func(a, b Part) int { return compareReferences(&a.Reference, &b.Reference) })
	return all, parts, nil
}

func compareReferences(a, b *athenatrail.Reference) int {
	return cmp.Or(a.Home.Compare(b.Home), strings.Compare(a.Kind, b.Kind), strings.Compare(a.ID, b.ID))
}
