package rebuild

import (
	"context"
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
	etag string
	rows []athenatrail.Reference
}

// NewReferences returns the References of a lake.
func NewReferences(l *lake.Lake) *References {
	return &References{lake: l, files: map[string]referenceFile{}}
}

// A subject is what a reference is about. Accounts and users are the same in
// every region, work groups are a region's own.
type subject struct{ kind, id, account, region string }

func subjectOf(r *athenatrail.Reference) subject {
	if r.Kind == athenatrail.KindWorkGroup {
		return subject{r.Kind, r.ID, r.Home.Account, r.Home.Region}
	}
	return subject{kind: r.Kind, id: r.ID}
}

// on returns the references that hold for a partition, one a subject: the last
// one of its day or before. Where a subject was asked about later only, what
// was said first is taken to have held before.
func (x *References) on(ctx context.Context, p athenatrail.Partition) ([]athenatrail.Reference, error) {
	all, err := x.All(ctx)
	if err != nil {
		return nil, err
	}
	best := map[subject]*athenatrail.Reference{}
	for i := range all {
		r := &all[i]
		s := subjectOf(r)
		if s.kind == athenatrail.KindWorkGroup && (s.account != p.Account || s.region != p.Region) {
			continue
		}
		if old := best[s]; old == nil || r.Home.Date <= p.Date {
			best[s] = r
		}
	}
	out := make([]athenatrail.Reference, 0, len(best))
	for i := range all {
		if r := &all[i]; best[subjectOf(r)] == r {
			out = append(out, *r)
		}
	}
	return out, nil
}

// All returns every reference, oldest first.
func (x *References) All(ctx context.Context) ([]athenatrail.Reference, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	var all []athenatrail.Reference
	for file, err := range lake.Partitions(ctx, x.lake, lake.References, 0, 0) {
		if err != nil {
			return nil, err
		}
		held, ok := x.files[file.Key]
		if !ok || held.etag != file.ETag {
			held = referenceFile{etag: file.ETag}
			for r, err := range lake.Read(ctx, x.lake, lake.References, file.Partition) {
				if err != nil {
					return nil, err
				}
				held.rows = append(held.rows, *r)
			}
			x.files[file.Key] = held
		}
		all = append(all, held.rows...)
	}
	slices.SortStableFunc(all, func(a, b athenatrail.Reference) int {
		if c := a.Home.Compare(b.Home); c != 0 {
			return c
		}
		if c := strings.Compare(a.Kind, b.Kind); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return all, nil
}
