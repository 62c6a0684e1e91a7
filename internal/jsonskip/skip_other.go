//go:build !amd64 || purego

package jsonskip

type scanner struct{ text []byte }

func (s *scanner) reset(text []byte) { s.text = text }

func (s *scanner) object(i int) (end int, eventSource []byte, err error) {
	return scalarObject(s.text, i)
}

func object(b []byte, i int) (end int, eventSource []byte, err error) {
	return scalarObject(b, i)
}
