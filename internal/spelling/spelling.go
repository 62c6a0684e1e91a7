// Package spelling tells how far a word that somebody typed is from one that
// exists, so that an unknown name can be answered with the near ones.
package spelling

// maxWord bounds the words that are compared: the time is the product of
// their lengths.
const maxWord = 64

// Distance returns how many bytes must be inserted, dropped or changed to make
// a of b (Levenshtein's distance); of a longer word than 64 bytes, 64.
func Distance(a, b string) int {
	if len(a) > maxWord || len(b) > maxWord {
		return maxWord
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
