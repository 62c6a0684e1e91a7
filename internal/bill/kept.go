package bill

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail"
)

// maxLines bounds what of one export is kept: a day, account, region and kind
// is a line.
const maxLines = 1 << 20

// CoveredTo is the first day that the bill does not tell of as a whole. AWS
// still adds to the last day of an export until the month is over.
func (b *Bill) CoveredTo() athenatrail.Date {
	if b.To == monthAfter(b.To-1) {
		return b.To
	}
	return b.To - 1
}

// monthAfter returns the first day of the month behind a day's.
func monthAfter(d athenatrail.Date) athenatrail.Date {
	t := d.Time()
	return athenatrail.DateOf(time.Date(t.Year(), t.Month()+1, 1, 0, 0, 0, 0, time.UTC))
}

// Kept returns the bill as a lake keeps it: of every account and region that
// it names, a line for each kind and each day that it covers, without usage
// too, so that it is told from a day without a bill. Exported is when the
// export's file was last changed.
func (b *Bill) Kept(exported time.Time) ([]athenatrail.BillLine, error) {
	switch {
	case b.Wrong > 0:
		return nil, errors.New("not all of its lines could be read")
	case b.Monthly:
		return nil, errors.New("its lines are of more than a day: reports need an export by day or by hour")
	case b.Currency == "":
		return nil, errors.New("it does not say in which currency it is")
	}
	to := b.CoveredTo()
	line := func(k Key) athenatrail.BillLine {
		return athenatrail.BillLine{
			Home: athenatrail.NewPartition(k.Date.Time(), k.Account, k.Region), Kind: k.Kind, Currency: b.Currency,
			Through: min(to, monthAfter(k.Date)).Time(), Exported: exported.UTC(),
		}
	}
	type place struct{ account, region, kind string }
	sums := map[Key]*athenatrail.BillLine{} // by place and kind, as they can be a file's name
	put := func(k Key, lineType string, a Amount) error {
		if k.Date < b.From || k.Date >= to {
			return nil
		}
		l := line(k)
		l.LineType = lineType
		at := Key{l.Home.Date, l.Home.Account, l.Home.Region, l.Kind + "\x00" + lineType}
		sum := sums[at]
		if sum == nil {
			if len(sums) >= maxLines {
				return fmt.Errorf("more than %d days of accounts, regions and kinds of usage", maxLines)
			}
			sum = &l
			sums[at] = sum
		}
		quantity, cost := Fixed(sum.Quantity), Fixed(sum.Cost)
		if err := errors.Join(add(&quantity, a.Quantity.money()), add(&cost, a.Cost.money())); err != nil {
			return err
		}
		sum.Quantity, sum.Cost = athenatrail.Money(quantity), athenatrail.Money(cost)
		return nil
	}
	places := map[place]bool{}
	for k, a := range b.Usage {
		places[place{k.Account, k.Region, k.Kind}] = true
		if err := put(k, "", *a); err != nil {
			return nil, err
		}
	}
	for p := range places {
		for day := b.From; day < to; day++ {
			if err := put(Key{day, p.account, p.region, p.kind}, "", Amount{}); err != nil {
				return nil, err
			}
		}
	}
	for k, cost := range b.Adjustments {
		lineType := k.Kind
		k.Date, k.Kind = max(k.Date, b.From), athenatrail.KindAdjustment
		if err := put(k, lineType, Amount{Cost: cost}); err != nil {
			return nil, err
		}
	}
	lines := make([]athenatrail.BillLine, 0, len(sums))
	for _, l := range sums {
		lines = append(lines, *l)
	}
	slices.SortFunc(lines, func(a, b athenatrail.BillLine) int {
		return cmp.Or(a.Home.Compare(b.Home), strings.Compare(a.Kind, b.Kind), strings.Compare(a.LineType, b.LineType))
	})
	return lines, nil
}

// money rounds to the billionths in which a lake has amounts, half away from
// zero.
func (f Fixed) money() Fixed {
	const step = fixedScale / athenatrail.MoneyScale
	if f < 0 {
		return (f - step/2) / step
	}
	return (f + step/2) / step
}
