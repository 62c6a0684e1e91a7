package bill

import (
	"errors"
	"fmt"
	"io"
	"math/big"
	"strconv"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// readParquet reads the columns that are needed, side by side, so that memory
// holds a page of each.
func readParquet(b *Bill, r io.ReaderAt, size int64) (err error) {
	defer func() {
		// parquet-go panics at some damaged files.
		if p := recover(); p != nil {
			err = fmt.Errorf("not Parquet that can be read: %v", p)
		}
	}()
	file, err := parquet.OpenFile(r, size, parquet.SkipBloomFilters(true), parquet.SkipPageIndex(true))
	if err != nil {
		return fmt.Errorf("not Parquet that can be read: %w", err)
	}
	var names []string
	for _, column := range file.Root().Columns() {
		name := column.Name()
		if !column.Leaf() || column.Repeated() {
			name = "" // a map or a list, such as product and resource_tags
		}
		names = append(names, name)
	}
	at, err := places(names)
	if err != nil {
		return err
	}
	n := 0
	for _, group := range file.RowGroups() {
		if err := readGroup(b, file, group, at, &n); err != nil {
			return err
		}
	}
	return nil
}

func readGroup(b *Bill, file *parquet.File, group parquet.RowGroup, at [fields]int, n *int) error {
	var cells [fields]*columnReader
	for f, i := range at {
		if i < 0 {
			continue
		}
		column := file.Root().Columns()[i]
		chunk := group.ColumnChunks()[column.Index()]
		c := &columnReader{pages: chunk.Pages(), typ: column.Type()}
		defer c.pages.Close()
		cells[f] = c
	}
	for range group.NumRows() {
		*n++
		var row [fields]string
		for f, c := range cells {
			if c == nil {
				continue
			}
			v, err := c.next()
			if err != nil {
				return fmt.Errorf("row %d: column %s: %w", *n, columns[f][0], err)
			}
			row[f] = v
		}
		if err := b.take(func(f field) string { return row[f] }, *n); err != nil {
			return fmt.Errorf("row %d: %w", *n, err)
		}
	}
	return nil
}

// A columnReader reads one column value by value, as texts.

type columnReader struct {
	pages  parquet.Pages
	typ    parquet.Type
	values parquet.ValueReader
	buffer [256]parquet.Value
	have   []parquet.Value
}

func (c *columnReader) next() (string, error) {
	for len(c.have) == 0 {
		if c.values == nil {
			page, err := c.pages.ReadPage()
			if err == io.EOF {
				return "", errors.New("it has fewer values than rows")
			}
			if err != nil {
				return "", err
			}
			c.values = page.Values()
		}
		n, err := c.values.ReadValues(c.buffer[:])
		c.have = c.buffer[:n]
		if err == io.EOF {
			c.values = nil
		} else if err != nil {
			return "", err
		}
	}
	v := c.have[0]
	c.have = c.have[1:]
	return textOf(v, c.typ), nil
}

// textOf writes a value as CSV has it.
func textOf(v parquet.Value, typ parquet.Type) string {
	if v.IsNull() {
		return ""
	}
	if logical := typ.LogicalType(); logical != nil {
		switch logical := logical.Value.(type) {
		case *format.TimestampType:
			t := time.Unix(0, v.Int64())
			switch logical.Unit.Value.(type) {
			case *format.MilliSeconds:
				t = time.UnixMilli(v.Int64())
			case *format.MicroSeconds:
				t = time.UnixMicro(v.Int64())
			}
			return t.UTC().Format(time.RFC3339Nano)
		case *format.DateType:
			return time.Unix(int64(v.Int32())*86400, 0).UTC().Format(time.DateOnly)
		case *format.DecimalType:
			return decimal(v, int(logical.Scale))
		}
	}
	switch v.Kind() {
	case parquet.Double:
		return strconv.FormatFloat(v.Double(), 'e', -1, 64)
	case parquet.Float:
		return strconv.FormatFloat(float64(v.Float()), 'e', -1, 32)
	case parquet.Int32:
		return strconv.FormatInt(int64(v.Int32()), 10)
	case parquet.Int64:
		return strconv.FormatInt(v.Int64(), 10)
	case parquet.Int96:
		// Nanoseconds of the day, and the day by the Julian calendar.
		const julianEpoch = 2_440_588
		i := v.Int96()
		nanos := int64(i[1])<<32 | int64(i[0])
		return time.Unix((int64(i[2])-julianEpoch)*86400, nanos).UTC().Format(time.RFC3339Nano)
	case parquet.ByteArray, parquet.FixedLenByteArray:
		return string(v.ByteArray())
	}
	return v.String()
}

// decimal writes an unscaled integer with its digits behind the point.
func decimal(v parquet.Value, scale int) string {
	var n big.Int
	switch v.Kind() {
	case parquet.Int32:
		n.SetInt64(int64(v.Int32()))
	case parquet.Int64:
		n.SetInt64(v.Int64())
	default:
		bytes := v.ByteArray() // two's complement, the high byte first
		n.SetBytes(bytes)
		if len(bytes) > 0 && bytes[0]&0x80 != 0 {
			n.Sub(&n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(bytes))))
		}
	}
	scale = min(max(scale, 0), 38)
	return new(big.Rat).SetFrac(&n, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil)).FloatString(scale)
}
