package collect

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/catalog"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/rebuild"
)

// A Catalog says whom to ask what tables there are and who holds access. What
// is nil is not asked. An account without a role gives [ErrNoRole].
type Catalog struct {
	Tables func(ctx context.Context, account, region string) (catalog.Listing, error)
	Grants func(ctx context.Context, account, region string) (catalog.Listing, error)

	// Files are what somebody keeps in the place of asking.
	Files []*catalog.File
}

// What is noted as asked.
const (
	askedTables     = "tables"
	askedGrants     = "grants"
	askedTablesFile = "tables_file"
	askedGrantsFile = "grants_file"
)

// catalog asks, at most once a day, what tables there are and who holds access,
// in the accounts and regions where something ran and where it was asked
// before, and stores what changed. Nothing derives from it.
func (r *run) catalog(ctx context.Context, seen rebuild.Seen) error {
	if r.References == nil || r.References.Catalog == nil {
		return nil
	}
	noted, err := r.Lake.Asked(ctx)
	if err != nil {
		return err
	}
	last := map[string]map[athenatrail.Partition]lake.Asking{} // by what and place, without the day
	places := map[athenatrail.Partition]bool{}
	for _, p := range seen.Places() {
		places[p] = true
	}
	for _, a := range noted {
		if last[a.What] == nil {
			last[a.What] = map[athenatrail.Partition]lake.Asking{}
		}
		last[a.What][a.Place.On(0)] = a
		if a.What == askedTables || a.What == askedGrants {
			places[a.Place.On(0)] = true
		}
	}
	ask := r.References.Catalog
	for _, what := range []struct {
		name string
		list func(ctx context.Context, account, region string) (catalog.Listing, error)
	}{{askedTables, ask.Tables}, {askedGrants, ask.Grants}} {
		if what.list == nil {
			continue
		}
		for _, place := range slices.SortedFunc(maps.Keys(places), athenatrail.Partition.Compare) {
			today := place.On(athenatrail.DateOf(r.Now))
			if a, ok := last[what.name][place]; ok && a.Place.Date >= today.Date || place.Account == athenatrail.UnknownName || place.Region == athenatrail.UnknownName {
				continue
			}
			listing, err := what.list(ctx, place.Account, place.Region)
			switch {
			case errors.Is(err, ErrNoRole):
				continue // said of the account's details already
			case ctx.Err() != nil:
				return ctx.Err()
			case err != nil:
				r.sum.problem("%s %s: %v%s", place.Account, place.Region, err, hintOf(err))
				continue
			}
			for _, err := range listing.Problems {
				r.sum.problem("%s %s: %v%s", place.Account, place.Region, err, hintOf(err))
			}
			if err := r.storeListing(ctx, today, &listing); err != nil {
				return err
			}
			if err := r.Lake.SetAsked(ctx, lake.Asking{What: what.name, Place: today}); err != nil {
				return err
			}
			if last[what.name] == nil {
				last[what.name] = map[athenatrail.Partition]lake.Asking{}
			}
			last[what.name][place] = lake.Asking{What: what.name, Place: today}
		}
	}
	for _, file := range ask.Files {
		name, instead := askedTablesFile, askedTables
		if file.Kind == athenatrail.KindGrant {
			name, instead = askedGrantsFile, askedGrants
		}
		if err := r.catalogFile(ctx, file, name, last[name], last[instead]); err != nil {
			return err
		}
	}
	return nil
}

// catalogFile stores what a file says, if it is not as it was read last. AWS's
// own answer goes before: a place that was asked is left out.
func (r *run) catalogFile(ctx context.Context, file *catalog.File, name string, read, asked map[athenatrail.Partition]lake.Asking) error {
	nowhere := athenatrail.NewPartition(time.Time{}, "", "").On(0)
	today := athenatrail.DateOf(r.Now)
	before, known := read[nowhere]
	if known && before.Version == file.Version {
		return nil
	}
	if known && before.Place.Date >= today {
		// Of two answers of one day the longer would stay; what was read
		// earlier today is a mistake that somebody mended.
		if err := r.dropRead(ctx, today, file.Kind); err != nil {
			return err
		}
	}
	places := map[athenatrail.Partition]bool{}
	for _, p := range file.Places() {
		places[p.On(0)] = true
	}
	for part, err := range lake.Partitions(ctx, r.Lake, lake.Catalog, 0, 0) {
		if err != nil {
			return err
		}
		places[part.Partition.On(0)] = true // where rows may have gone from the file
	}
	for _, place := range slices.SortedFunc(maps.Keys(places), athenatrail.Partition.Compare) {
		if _, ok := asked[place]; ok {
			continue
		}
		listing := file.At(place)
		if err := r.storeListing(ctx, place.On(today), &listing); err != nil {
			return err
		}
	}
	return r.Lake.SetAsked(ctx, lake.Asking{What: name, Place: nowhere.On(today), Version: file.Version})
}

// dropRead removes what was read from a file on a day.
func (r *run) dropRead(ctx context.Context, day athenatrail.Date, kind string) error {
	var parts []athenatrail.Partition
	for part, err := range lake.Partitions(ctx, r.Lake, lake.Catalog, day, day+1) {
		if err != nil {
			return err
		}
		if part.Date == day {
			parts = append(parts, part.Partition)
		}
	}
	for _, p := range parts {
		_, _, err := lake.Rewrite(ctx, r.Lake, lake.Catalog, p, func(ref *athenatrail.Reference) (keep bool) {
			return ref.Kind != kind || !catalog.IsFrom(catalog.FromFile, ref)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// storeListing stores what of a listing differs from the last answers of that
// place, and what is gone.
func (r *run) storeListing(ctx context.Context, p athenatrail.Partition, listing *catalog.Listing) error {
	last, err := r.lastOf(ctx, p, listing.Kind)
	if err != nil {
		return err
	}
	var news []athenatrail.Reference
	take := func(ref athenatrail.Reference) {
		ref.Home = p
		news = append(news, ref)
	}
	for _, ref := range listing.References {
		if old, ok := last[ref.ID]; !ok || old.Answer != ref.Answer {
			take(ref)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(last)) {
		if !listing.Lacks(id) {
			continue
		}
		ref := last[id]
		var gone bool
		if ref.Answer, gone = catalog.GoneFrom(listing.From, ref); gone {
			take(ref)
		}
	}
	if err := keep(ctx, &r.entrance, lake.Catalog, &news); err != nil || len(news) == 0 {
		return err
	}
	n, err := lake.Merge(ctx, r.Lake, lake.Catalog, p, news)
	r.sum.Changed += int64(n)
	return err
}

// lastOf returns the last answers of one kind in an account and region, by id.
func (r *run) lastOf(ctx context.Context, p athenatrail.Partition, kind string) (map[string]athenatrail.Reference, error) {
	last := map[string]athenatrail.Reference{}
	for part, err := range lake.Partitions(ctx, r.Lake, lake.Catalog, 0, 0) { // in the order of days
		if err != nil {
			return nil, err
		}
		if part.Account != p.Account || part.Region != p.Region || part.Date > p.Date {
			continue
		}
		for ref, err := range lake.Read(ctx, r.Lake, lake.Catalog, part.Partition) {
			if err != nil {
				return nil, err
			}
			if ref.Kind == kind {
				last[ref.ID] = *ref
			}
		}
	}
	return last, nil
}
