package athenatrail

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// A Date is a UTC calendar day, counted in days since 1970-01-01.
type Date int32

// DateOf returns the UTC day that holds t.
func DateOf(t time.Time) Date {
	s := t.Unix()
	d := s / 86400
	if s%86400 < 0 {
		d--
	}
	return Date(d)
}

// ParseDate reads the form that [Date.String] writes, 2006-01-02.
func ParseDate(s string) (Date, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return 0, fmt.Errorf("date %q: want YYYY-MM-DD", s)
	}
	return DateOf(t), nil
}

// Time returns the day's first moment, in UTC.
func (d Date) Time() time.Time { return time.Unix(int64(d)*86400, 0).UTC() }

func (d Date) String() string { return d.Time().Format(time.DateOnly) }

// UnknownName stands in a [Partition] for an account or a region that a record
// does not tell, or tells in a form that cannot be part of a file's name.
const UnknownName = "unknown"

// A Partition is one UTC day of one account and region: the unit in which
// facts are stored and tables are derived.
type Partition struct {
	Date    Date
	Account string // as text, 12 digits with their leading zeros; or UnknownName
	Region  string // such as eu-west-1; or UnknownName
}

// NewPartition returns the partition of a record with that time, account and
// region. Account and region come out of a trail, so they may hold anything:
// what is not letters, digits and hyphens becomes [UnknownName].
func NewPartition(t time.Time, account, region string) Partition {
	return Partition{DateOf(t), SafeName(account), SafeName(region)}
}

// SafeName returns s if it can stand in a [Partition], else [UnknownName].
func SafeName(s string) string {
	if s == "" || len(s) > 40 {
		return UnknownName
	}
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-') {
			return UnknownName
		}
	}
	return s
}

// Name returns the partition's file name without its ending, ACCOUNT_REGION.
func (p Partition) Name() string { return p.Account + "_" + p.Region }

func (p Partition) String() string { return p.Date.String() + "/" + p.Name() }

// ParsePartition reads a day and the form that [Partition.Name] writes.
func ParsePartition(day, name string) (Partition, error) {
	d, err := ParseDate(day)
	if err != nil {
		return Partition{}, err
	}
	account, region, ok := strings.Cut(name, "_")
	if !ok || SafeName(account) != account || SafeName(region) != region {
		return Partition{}, fmt.Errorf("partition %q: want ACCOUNT_REGION", name)
	}
	return Partition{d, account, region}, nil
}

// On returns the partition of the same account and region days later.
func (p Partition) On(d Date) Partition { p.Date = d; return p }

// Compare orders partitions by day, account and region.
func (p Partition) Compare(q Partition) int {
	return cmp.Or(cmp.Compare(p.Date, q.Date), strings.Compare(p.Account, q.Account), strings.Compare(p.Region, q.Region))
}
