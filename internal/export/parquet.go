package export

import (
	"bytes"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"github.com/athenatrail/athenatrail"
)

// All of these decide about a file's bytes; a change makes other bytes of the
// same rows.
const (
	batchRows, batchBytes = 64, 1 << 20        // what the encoder is given at once
	groupRows, groupBytes = 32 << 10, 64 << 20 // what a row group holds
	pageBytes             = 64 << 10
)

var codec = &zstd.Codec{Level: zstd.SpeedFastest}

// An orderedGroup is a group whose fields keep their order: parquet-go sorts
// them by name.
type orderedGroup struct {
	parquet.Group
	order []string
}

func (g orderedGroup) Fields() []parquet.Field {
	fields := g.Group.Fields()
	slices.SortFunc(fields, func(a, b parquet.Field) int {
		return slices.Index(g.order, a.Name()) - slices.Index(g.order, b.Name())
	})
	return fields
}

// node returns a column's type: that of the lake, and NULL allowed.
func (k kind) node() parquet.Node {
	var n parquet.Node
	switch k {
	case text:
		n = parquet.String()
	case int32s:
		n = parquet.Int(32)
	case int64s:
		n = parquet.Int(64)
	case float:
		n = parquet.Leaf(parquet.DoubleType)
	case boolean:
		n = parquet.Leaf(parquet.BooleanType)
	case moment:
		n = parquet.TimestampAdjusted(parquet.Millisecond, false)
	case money:
		n = parquet.Decimal(9, 18, parquet.Int64Type)
	case texts:
		return parquet.Optional(parquet.List(parquet.String()))
	}
	return parquet.Optional(n)
}

func (l *layout) schema() *parquet.Schema {
	group := orderedGroup{Group: parquet.Group{}}
	for _, c := range l.columns {
		group.Group[c.Name] = c.kind.node()
		group.order = append(group.order, c.Name)
	}
	return parquet.NewSchema("export", group)
}

// appendValues appends what a cell is in the column with that index.
func appendValues(values []parquet.Value, v any, index int) []parquet.Value {
	null := parquet.NullValue()
	one := func(v parquet.Value) []parquet.Value { return append(values, v.Level(0, 1, index)) }
	switch v := v.(type) {
	case string:
		return one(parquet.ByteArrayValue([]byte(v)))
	case int64:
		return one(parquet.Int64Value(v))
	case int32:
		return one(parquet.Int32Value(v))
	case float64:
		return one(parquet.DoubleValue(v))
	case bool:
		return one(parquet.BooleanValue(v))
	case time.Time:
		return one(parquet.Int64Value(v.UnixMilli()))
	case athenatrail.Money:
		return one(parquet.Int64Value(int64(v)))
	case []string:
		if len(v) == 0 {
			return one(null)
		}
		for i, s := range v {
			values = append(values, parquet.ByteArrayValue([]byte(s)).Level(min(i, 1), 2, index))
		}
		return values
	}
	return append(values, null.Level(0, 0, index))
}

// parquet writes rows column by column, since of rows written together
// parquet-go 0.32 stores some absent values as present.
func (l *layout) parquet(rows iter.Seq2[[]any, error]) ([]byte, error) {
	var out bytes.Buffer
	w := parquet.NewGenericWriter[any](&out, l.schema(),
		parquet.CreatedBy("athenatrail", "export format 1", "none"),
		parquet.Compression(codec),
		parquet.PageBufferSize(pageBytes),
		parquet.DefaultEncodingFor(parquet.ByteArray, &parquet.Plain),
	)
	columns := make([][]parquet.Value, len(l.columns))
	inBatch, batchSize, inGroup, groupSize := 0, 0, 0, 0
	flush := func() error {
		for i, column := range w.ColumnWriters() {
			if inBatch == 0 {
				break
			}
			if _, err := column.WriteRowValues(columns[i]); err != nil {
				return fmt.Errorf("column %s: %w", l.columns[i].Name, err)
			}
			clear(columns[i])
			columns[i] = columns[i][:0]
		}
		inBatch, batchSize = 0, 0
		return nil
	}
	for row, err := range rows {
		if err != nil {
			return nil, err
		}
		size := rowSize(row)
		for i, v := range row {
			if s, ok := v.(string); ok {
				v = strings.ToValidUTF8(s, "\uFFFD")
			}
			if n, ok := v.(int64); ok && l.columns[i].kind == int32s {
				v = int32(n)
			}
			columns[i] = appendValues(columns[i], v, i)
		}
		inBatch, batchSize, inGroup, groupSize = inBatch+1, batchSize+size, inGroup+1, groupSize+size
		if inGroup >= groupRows || groupSize >= groupBytes {
			if err := flush(); err != nil {
				return nil, err
			}
			if err := w.Flush(); err != nil {
				return nil, err
			}
			inGroup, groupSize = 0, 0
		} else if inBatch >= batchRows || batchSize >= batchBytes {
			if err := flush(); err != nil {
				return nil, err
			}
		}
	}
	if err := flush(); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
