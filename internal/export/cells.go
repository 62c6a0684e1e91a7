package export

import (
	"encoding/binary"
	"errors"
	"math"
	"time"

	"github.com/athenatrail/athenatrail"
)

// A cell is nil, string, int64, float64, bool, time.Time (in milliseconds),
// athenatrail.Money or []string. Rows wait for their hour in this form.
const (
	cellNull = iota
	cellText
	cellInt
	cellFloat
	cellFalse
	cellTrue
	cellTime
	cellMoney
	cellList
)

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendCells(b []byte, cells []any) []byte {
	for _, v := range cells {
		switch v := v.(type) {
		case string:
			b = appendText(append(b, cellText), v)
		case int64:
			b = binary.AppendVarint(append(b, cellInt), v)
		case float64:
			b = binary.BigEndian.AppendUint64(append(b, cellFloat), math.Float64bits(v))
		case bool:
			if v {
				b = append(b, cellTrue)
			} else {
				b = append(b, cellFalse)
			}
		case time.Time:
			b = binary.AppendVarint(append(b, cellTime), v.UnixMilli())
		case athenatrail.Money:
			b = binary.AppendVarint(append(b, cellMoney), int64(v))
		case []string:
			b = binary.AppendUvarint(append(b, cellList), uint64(len(v)))
			for _, s := range v {
				b = appendText(b, s)
			}
		default:
			b = append(b, cellNull)
		}
	}
	return b
}

// errSpooled says that what was put aside did not come back as it was.
var errSpooled = errors.New("rows that were put aside are damaged")

// A scanner reads what the append functions wrote. Its texts are copies.
type scanner struct {
	rest []byte
	bad  bool
}

func (s *scanner) take(n uint64) []byte {
	if n > uint64(len(s.rest)) {
		s.rest, s.bad = nil, true
		return nil
	}
	b := s.rest[:n]
	s.rest = s.rest[n:]
	return b
}

func (s *scanner) uvarint() uint64 {
	v, n := binary.Uvarint(s.rest)
	if n <= 0 {
		s.rest, s.bad = nil, true
		return 0
	}
	s.rest = s.rest[n:]
	return v
}

func (s *scanner) varint() int64 {
	v, n := binary.Varint(s.rest)
	if n <= 0 {
		s.rest, s.bad = nil, true
		return 0
	}
	s.rest = s.rest[n:]
	return v
}

func (s *scanner) text() string { return string(s.take(s.uvarint())) }

// cells fills row.
func (s *scanner) cells(row []any) {
	for i := range row {
		kind := s.take(1)
		if s.bad {
			return
		}
		switch kind[0] {
		case cellText:
			row[i] = s.text()
		case cellInt:
			row[i] = s.varint()
		case cellFloat:
			if b := s.take(8); !s.bad {
				row[i] = math.Float64frombits(binary.BigEndian.Uint64(b))
			}
		case cellFalse, cellTrue:
			row[i] = kind[0] == cellTrue
		case cellTime:
			row[i] = time.UnixMilli(s.varint()).UTC()
		case cellMoney:
			row[i] = athenatrail.Money(s.varint())
		case cellList:
			n := s.uvarint()
			if n > uint64(len(s.rest)) { // each text has a length of a byte at least
				s.rest, s.bad = nil, true
				return
			}
			list := make([]string, n)
			for j := range list {
				list[j] = s.text()
			}
			row[i] = list
		default:
			row[i] = nil
		}
	}
}
