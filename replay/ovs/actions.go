package ovs

import (
	"regexp"
	"strconv"
)

// recirculation is a recirc action, wherever it stands: in a list of actions or
// in one inside clone, sample or check_pkt_len. It is not the recirc_id of a
// controller action, which names a frozen pass and sends no packet there.
var recirculation = regexp.MustCompile(`\brecirc\((0x[0-9a-f]{1,8}|[0-9]{1,10})\)`)

// Recircs returns the ids of the recirc actions in f's actions, in order.
func (f Flow) Recircs() []uint32 {
	var ids []uint32
	for _, m := range recirculation.FindAllStringSubmatch(f.Actions, -1) {
		if id, err := number(m[1], 32); err == nil {
			ids = append(ids, uint32(id))
		}
	}
	return ids
}

// RenumberActions replaces the id of each recirc action by what renumber returns
// for it: "ct,recirc(0x1f)" becomes "ct,recirc(1)".
func RenumberActions(actions string, renumber func(uint32) int) string {
	return recirculation.ReplaceAllStringFunc(actions, func(text string) string {
		id, err := number(recirculation.FindStringSubmatch(text)[1], 32)
		if err != nil {
			return text
		}
		return "recirc(" + strconv.Itoa(renumber(uint32(id))) + ")"
	})
}
