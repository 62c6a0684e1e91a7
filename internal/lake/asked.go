package lake

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/athenatrail/athenatrail"
)

// askedDir holds an empty file for what was asked in an account and region,
// whose name tells the day, so that a run knows by one listing what it need not
// ask again:
//
//	_ledger/v1/asked/<what>/<account>_<region>/<day>[-<version>]
const askedDir = "_ledger/v1/asked/"

// An Asking is what was asked last of an account and region.
type Asking struct {
	What string // lower-case letters and _

	// Place is the account, the region and the day.
	Place athenatrail.Partition

	// Version tells what was read from what may have changed since, 16 hex
	// digits; empty where only the day counts.
	Version string
}

var (
	askedWhat    = regexp.MustCompile(`^[a-z_]{1,40}$`)
	askedVersion = regexp.MustCompile(`^([0-9a-f]{16})?$`)
)

func (a Asking) folder() string { return askedDir + a.What + "/" + a.Place.Name() + "/" }

func (a Asking) key() string {
	key := a.folder() + a.Place.Date.String()
	if a.Version != "" {
		key += "-" + a.Version
	}
	return key
}

// Asked returns what was asked last, by what and place.
func (l *Lake) Asked(ctx context.Context) ([]Asking, error) {
	var all []Asking
	for file, err := range l.List(ctx, askedDir) {
		if err != nil {
			return nil, fmt.Errorf("list what was asked: %w", err)
		}
		parts := strings.Split(strings.TrimPrefix(file.Key, askedDir), "/")
		if len(parts) != 3 || len(parts[2]) < 10 {
			continue
		}
		p, err := athenatrail.ParsePartition(parts[2][:10], parts[1])
		a := Asking{parts[0], p, strings.TrimPrefix(parts[2][10:], "-")}
		if err != nil || a.key() != file.Key {
			continue
		}
		// Of one that was noted twice, the later is the last in the listing.
		if n := len(all) - 1; n >= 0 && all[n].folder() == a.folder() {
			all[n] = a
		} else {
			all = append(all, a)
		}
	}
	return all, nil
}

// SetAsked notes that something was asked. Earlier notes of it go.
func (l *Lake) SetAsked(ctx context.Context, a Asking) error {
	if err := checkPartition(a.Place); err != nil || !askedWhat.MatchString(a.What) || !askedVersion.MatchString(a.Version) {
		return fmt.Errorf("note what was asked: %q %s %q: not a note's name", a.What, a.Place, a.Version)
	}
	key, there := a.key(), false
	var old []string
	for file, err := range l.List(ctx, a.folder()) {
		switch {
		case err != nil:
			return fmt.Errorf("note what was asked: %w", err)
		case file.Key == key:
			there = true
		default:
			old = append(old, file.Key)
		}
	}
	if !there {
		if err := l.Put(ctx, key, []byte{}); err != nil {
			return fmt.Errorf("note what was asked: %w", err)
		}
	}
	for _, key := range old {
		if err := l.Delete(ctx, key); err != nil {
			return fmt.Errorf("note what was asked: %w", err)
		}
	}
	return nil
}
