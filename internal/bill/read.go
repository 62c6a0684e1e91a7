package bill

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// A field is what a line is read for, with the columns that hold it, those of
// CUR before those of FOCUS. Names are compared without case and without what
// stands between their words, so that lineItem/UsageType of the older form is
// line_item_usage_type of CUR 2.0 (AWS Data Exports User Guide, "Cost and Usage
// Report (CUR) 2.0" and "FOCUS 1.0 with AWS columns"; FOCUS 1.2 has the same).
type field int

const (
	fieldService field = iota
	fieldUsageType
	fieldLineType
	fieldQuantity
	fieldCost
	fieldCurrency
	fieldStart
	fieldEnd
	fieldRegion
	fieldAccount
	fields
)

var columns = [fields][]string{
	fieldService:   {"line_item_product_code", "x_ServiceCode", "ServiceName"},
	fieldUsageType: {"line_item_usage_type", "x_UsageType", "SkuMeter"},
	fieldLineType:  {"line_item_line_item_type", "ChargeCategory"},
	fieldQuantity:  {"line_item_usage_amount", "ConsumedQuantity"},
	fieldCost:      {"line_item_unblended_cost", "BilledCost"},
	fieldCurrency:  {"line_item_currency_code", "BillingCurrency"},
	fieldStart:     {"line_item_usage_start_date", "ChargePeriodStart"},
	fieldEnd:       {"line_item_usage_end_date", "ChargePeriodEnd"},
	fieldRegion:    {"product_region_code", "product_region", "RegionId"},
	fieldAccount:   {"line_item_usage_account_id", "SubAccountId"},
}

// needed are the fields without which nothing can be compared.
var needed = []field{fieldService, fieldUsageType, fieldQuantity, fieldCost, fieldStart}

func plain(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'A' <= r && r <= 'Z':
			return r + 'a' - 'A'
		case 'a' <= r && r <= 'z' || '0' <= r && r <= '9':
			return r
		}
		return -1
	}, name)
}

// places finds the fields among the names of columns; -1 for one that is not
// there.
func places(names []string) (at [fields]int, err error) {
	index := map[string]int{}
	for i, name := range names {
		if _, twice := index[plain(name)]; !twice {
			index[plain(name)] = i
		}
	}
	for f := range fields {
		at[f] = -1
		for _, name := range columns[f] {
			if i, ok := index[plain(name)]; ok {
				at[f] = i
				break
			}
		}
	}
	for _, f := range needed {
		if at[f] < 0 {
			return at, fmt.Errorf("no column %s: want an export of CUR 2.0 or of FOCUS", strings.Join(columns[f], " or "))
		}
	}
	return at, nil
}

// A Reader is a file of the export.
type Reader interface {
	io.Reader
	io.ReaderAt
}

// Read reads an export and adds it to the bill, which may be nil. The form is
// told by the content: Parquet, CSV, or CSV compressed with gzip. A line of
// Athena that cannot be read is counted and named in the bill.
func Read(b *Bill, r Reader, size int64) (*Bill, error) {
	if b == nil {
		b = newBill()
	}
	magic := make([]byte, 4)
	if _, err := r.ReadAt(magic, 0); err != nil && err != io.EOF {
		return b, err
	}
	switch {
	case bytes.Equal(magic, []byte("PAR1")):
		return b, readParquet(b, r, size)
	case magic[0] == 0x1f && magic[1] == 0x8b:
		z, err := gzip.NewReader(bufio.NewReader(r))
		if err != nil {
			return b, err
		}
		return b, readCSV(b, z)
	}
	return b, readCSV(b, r)
}

// maxLine bounds one line of CSV. Those of CUR have some kilobytes.
const maxLine = 8 << 20

var errLine = fmt.Errorf("a line is longer than %d bytes", maxLine)

// bounded ends a line that does not end, such as behind a quote that is not
// closed.
type bounded struct {
	r io.Reader
	n int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.n > maxLine {
		return 0, errLine
	}
	n, err := b.r.Read(p)
	b.n += n
	return n, err
}

func readCSV(b *Bill, r io.Reader) error {
	limited := &bounded{r: r}
	lines := csv.NewReader(limited)
	lines.ReuseRecord, lines.FieldsPerRecord, lines.LazyQuotes = true, -1, true
	header, err := lines.Read()
	if errors.Is(err, io.EOF) {
		return errors.New("it is empty")
	}
	if err != nil {
		return err
	}
	header[0] = strings.TrimPrefix(header[0], "\ufeff")
	at, err := places(header)
	if err != nil {
		return err
	}
	for n := 2; ; n++ {
		limited.n = 0
		cells, err := lines.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		err = b.take(func(f field) string {
			if i := at[f]; i >= 0 && i < len(cells) {
				return cells[i]
			}
			return ""
		}, n)
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
}

// take makes a line of cells.
func (b *Bill) take(cell func(field) string, n int) error {
	l := line{service: cell(fieldService)}
	var err error
	if l.start, err = parseTime(cell(fieldStart)); err == nil {
		l.end, err = parseTime(cell(fieldEnd))
	}
	if strings.Contains(l.service, "Athena") {
		l.usageType, l.lineType, l.currency = cell(fieldUsageType), clip(cell(fieldLineType)), cell(fieldCurrency)
		l.region, l.account = cell(fieldRegion), cell(fieldAccount)
		for _, number := range []struct {
			to *Fixed
			of field
		}{{&l.quantity, fieldQuantity}, {&l.cost, fieldCost}} {
			if err == nil {
				*number.to, err = ParseFixed(cell(number.of))
			}
		}
		if err != nil {
			b.Lines++
			b.Athena++
			return b.wrong(fmt.Errorf("line %d: %w", n, err))
		}
	}
	return b.add(&l)
}

var timeForms = []string{time.RFC3339, "2006-01-02 15:04:05", "2006-01-02T15:04:05", time.DateOnly}

// parseTime reads a time of an export; those without a zone are in UTC.
func parseTime(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, form := range timeForms {
		if t, err := time.Parse(form, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("time %.40q: want 2006-01-02T15:04:05Z", s)
}
