package price

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/athenatrail/athenatrail"
)

// regionForm is how AWS names regions: eu-west-1, us-gov-east-1, eusc-de-east-1.
var regionForm = regexp.MustCompile(`^[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}$`)

// maxAmount is the dearest price that is taken as meant: a million.
const maxAmount = athenatrail.Money(1_000_000 * athenatrail.MoneyScale)

// always is the From of an override without one.
const always = athenatrail.Date(math.MinInt32)

// overrides checks the configuration's prices and sorts them by region and
// day, the newest first.
func overrides(entries []Override) ([]Price, error) {
	type key struct {
		region string
		from   athenatrail.Date
	}
	seen := map[key]int{}
	var prices []Price
	var errs []error
	for i, o := range entries {
		p, err := o.price()
		if err != nil {
			errs = append(errs, fmt.Errorf("prices[%d]%w", i, err))
			continue
		}
		k := key{p.Region, p.From}
		if first, twice := seen[k]; twice {
			errs = append(errs, fmt.Errorf("prices[%d]: region %q from %s: prices[%d] says it already", i, o.Region, cmp.Or(o.From, "the beginning"), first))
			continue
		}
		seen[k] = i
		prices = append(prices, p)
	}
	slices.SortFunc(prices, func(a, b Price) int {
		return cmp.Or(strings.Compare(a.Region, b.Region), cmp.Compare(b.From, a.From))
	})
	return prices, errors.Join(errs...)
}

// price reads one entry. Its errors begin with the key that is wrong, as in
// `.from "soon": want YYYY-MM-DD`.
func (o Override) price() (Price, error) {
	p := Price{Region: o.Region, From: always, Custom: true}
	if o.Region != anyRegion && !regionForm.MatchString(o.Region) {
		return p, fmt.Errorf(".region %q: want a region such as eu-west-1, or * for all", o.Region)
	}
	if o.From != "" {
		day, err := athenatrail.ParseDate(o.From)
		if err != nil {
			return p, fmt.Errorf(".from %q: want YYYY-MM-DD", o.From)
		}
		p.From = day
	}
	p.Currency = cmp.Or(o.Currency, defaultCurrency(o.Region))
	if len(p.Currency) != 3 || strings.Trim(p.Currency, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return p, fmt.Errorf(".currency %q: want three capital letters such as EUR", o.Currency)
	}
	for _, a := range []struct {
		key, text string
		into      **athenatrail.Money
	}{
		{"sql_per_tb", o.SQLPerTB, &p.SQLPerTB},
		{"spark_per_dpu_hour", o.SparkPerDPUHour, &p.SparkPerDPUHour},
		{"capacity_per_dpu_hour", o.CapacityPerDPUHour, &p.CapacityPerDPUHour},
	} {
		if a.text == "" {
			continue
		}
		m, err := athenatrail.ParseMoney(a.text)
		if err != nil {
			return p, fmt.Errorf(".%s: %w", a.key, err)
		}
		if m > maxAmount {
			return p, fmt.Errorf(".%s %q: more than a million", a.key, a.text)
		}
		*a.into = &m
	}
	if p.SQLPerTB == nil && p.SparkPerDPUHour == nil && p.CapacityPerDPUHour == nil {
		return p, errors.New(": want at least one of sql_per_tb, spark_per_dpu_hour, capacity_per_dpu_hour")
	}
	return p, nil
}
