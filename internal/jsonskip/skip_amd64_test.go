//go:build !purego

package jsonskip

import "testing"

// TestRecordsNeedNoSecondLook sees that records as they come do not take the
// way of the irregular ones, which is right but slow.
func TestRecordsNeedNoSecondLook(t *testing.T) {
	if !hasKernel {
		t.Skip("this processor lacks AVX2, BMI1, POPCNT or PCLMULQDQ")
	}
	text, n := records(1 << 20)
	s := new(scanner)
	s.reset(text)
	found := 0
	for i := 0; i < len(text) && text[i] == '{'; found++ {
		s.seek(i)
		end, source, err := s.walk(i)
		if err != nil || source == nil {
			t.Fatalf("record %d at %d: eventSource %q, %v", found, i, source, err)
		}
		i = end + 1
	}
	if found != n {
		t.Errorf("passed %d records of %d", found, n)
	}
}

// TestWithoutKernel runs what an older processor does.
func TestWithoutKernel(t *testing.T) {
	was := hasKernel
	defer func() { hasKernel = was }()
	hasKernel = false
	var s Scanner
	checkAll(t, &s, pair())
}
