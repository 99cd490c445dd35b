package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ctdiff/ctdiff/oracle"
)

func newExplain() *cobra.Command {
	cmd := withExits(&cobra.Command{
		Use:   "explain [TOPIC]",
		Short: "Explain how ctdiff judges",
		Long:  "Explain how ctdiff judges. Without TOPIC, list the topics.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return listTopics(cmd)
		},
	}, "0    done", "2    there is no such topic")
	cmd.SuggestionsMinimumDistance = 2
	cmd.AddCommand(newExplainRules())
	return cmd
}

func listTopics(cmd *cobra.Command) error {
	for _, topic := range cmd.Commands() {
		if topic.IsAvailableCommand() {
			fmt.Printf("%s  %s\n", topic.Name(), topic.Short)
		}
	}
	return nil
}

func newExplainRules() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "rules",
		Short: "What may differ between bridges without being a divergence",
		Long: `Print the rules about what may differ between bridges without being a divergence:
for each what it excuses, why, and where that can be read or was measured.

What a rule excused in a replay is among the replay's notes, with the rule's ID.
With ctdiff replay --strict=RULE,... and ctdiff minimize --strict=RULE,... that is
a divergence; without a RULE, --strict is for all of them.`,
		Args: takesNone,
		RunE: func(*cobra.Command, []string) error {
			if asJSON {
				enc := json.NewEncoder(os.Stdout)
				enc.SetEscapeHTML(false)
				enc.SetIndent("", "  ")
				return enc.Encode(oracle.Rules)
			}
			return printRules(os.Stdout, width(os.Stdout))
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON list")
	return withExits(cmd, "0    done", "2    bad usage")
}

// printRules prints the table in so many columns; 0 is 100.
func printRules(w io.Writer, columns int) error {
	const atLeast, usual = 60, 100
	if columns == 0 {
		columns = usual
	}
	id := len("RULE")
	for _, r := range oracle.Rules {
		id = max(id, len(r.ID))
	}
	row := func(first, label, text string) string {
		var b strings.Builder
		for _, line := range wrap(text, max(columns, atLeast)-id-len("  may differ  ")) {
			fmt.Fprintf(&b, "%-*s  %-10s  %s\n", id, first, label, line)
			first, label = "", ""
		}
		return b.String()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%-*s  %s\n", id, "RULE", "WHAT MAY DIFFER, WHY, AND WHERE THAT IS FROM")
	for _, r := range oracle.Rules {
		b.WriteString("\n" + row(r.ID, "may differ", r.Excuses) + row("", "reason", r.Reason) + row("", "source", r.Source))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// wrap breaks text at its blanks into lines of up to so many columns.
func wrap(text string, columns int) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) > columns:
			lines = append(lines, line)
			line = word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}
