import { Collection, Model } from './model.js'
import { defineAll } from './require.js'
import { line } from './line.js'
import { page } from './state.js'
import { learnContacts } from './contacts.js'
import { fromServer, toServer } from './wid.js'

class GroupMetadataModel extends Model {}

class GroupMetadataCollection extends Collection {
  /** Takes in a group as the server keeps it. */
  learn({ id, subject, description, owner, createdAt, participants, announce, contacts }) {
    learnContacts(contacts)
    const wid = fromServer(id)
    const model = this.get(wid) ?? this.add(new GroupMetadataModel({ id: wid, participants: new Collection(Model) }))
    model.set({
      subject,
      desc: description,
      owner: fromServer(owner),
      creation: Math.floor(createdAt / 1000),
      announce,
      size: participants.length,
      isLidAddressingMode: page.addressing === 'lid',
    })
    model.participants.clear()
    for (const { id: participant, admin } of participants) {
      model.participants.add(
        new Model({ id: fromServer(participant), isAdmin: admin, isSuperAdmin: participant === owner }),
      )
    }
    return model
  }

  async update(wid) {
    const group = await line.ask('group', { id: toServer(wid) })
    return group ? this.learn(group) : undefined
  }
}

export const GroupMetadata = new GroupMetadataCollection(GroupMetadataModel)

line.on('group', ({ group }) => GroupMetadata.learn(group))

defineAll({
  WAWebGroupQueryJob: { queryAndUpdateGroupMetadataById: ({ id }) => GroupMetadata.update(id) },
  WAWebExitGroupAction: { sendExitGroup: (chat) => line.ask('leaveGroup', { id: toServer(chat.id) }) },
  WAWebGroupModifyInfoJob: {
    setGroupSubject: (wid, subject) => line.ask('updateGroup', { id: toServer(wid), subject }),
    setGroupDescription: (wid, description) => line.ask('updateGroup', { id: toServer(wid), description }),
  },
})
