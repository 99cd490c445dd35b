package sweep

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// wrap puts parts into lines, with commas between, each of which is no wider than
// a width if that can be.
func wrap(parts []string, width int) []string {
	lines := []string{""}
	for i, p := range parts {
		if i < len(parts)-1 {
			p += ","
		}
		last := &lines[len(lines)-1]
		switch {
		case *last == "":
			*last = p
		case len(*last)+1+len(p) <= width:
			*last += " " + p
		default:
			lines = append(lines, p)
		}
	}
	return lines
}

// align writes rows with their columns under each other, of which the first ones
// are numbers.
func align(out io.Writer, rows [][]string) {
	const numbers = 2
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		line := ""
		for i, cell := range row {
			space := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i < numbers {
				line += space + cell + "  "
			} else {
				line += cell + space + "  "
			}
		}
		fmt.Fprintln(out, strings.TrimRight(line, " "))
	}
}
